// <form data-passkey="create|get" data-passkey-options="id of a JSON element">: sending the form asks
// the browser for a passkey first (WebAuthn level 3) and puts the answer into the field `credential`.
// With data-passkey-url the options are fetched instead, because the server makes them for each try.
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const withBytes = (list) => (list ?? []).map((item) => ({ ...item, id: toBytes(item.id) }));

async function optionsOf(form) {
  if (!form.dataset.passkeyUrl) {
    return JSON.parse(document.getElementById(form.dataset.passkeyOptions).textContent);
  }
  const answer = await fetch(form.dataset.passkeyUrl, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error("no options");
  return answer.json();
}

async function create(form) {
  const options = (await optionsOf(form)).creation_options.publicKey;
  const alone = form.elements.passwordless?.checked;
  const credential = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
      authenticatorSelection: {
        ...options.authenticatorSelection,
        residentKey: alone ? "required" : "discouraged",
        requireResidentKey: Boolean(alone),
        ...(alone && { userVerification: "required" }),
      },
    },
  });
  return inJSON(credential, {
    attestationObject: toText(credential.response.attestationObject),
    transports: credential.response.getTransports?.() ?? [],
  });
}

async function get(form) {
  const options = (await optionsOf(form)).request_options.publicKey;
  const credential = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      allowCredentials: withBytes(options.allowCredentials),
    },
  });
  const { authenticatorData, signature, userHandle } = credential.response;
  return inJSON(credential, {
    authenticatorData: toText(authenticatorData),
    signature: toText(signature),
    userHandle: userHandle ? toText(userHandle) : null,
  });
}

function inJSON(credential, response) {
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: { clientDataJSON: toText(credential.response.clientDataJSON), ...response },
  };
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest?.("[data-passkey]");
  if (!form) return;
  event.preventDefault();
  const failed = form.querySelector("[data-passkey-failed]");
  failed.hidden = true;
  try {
    const credential = await (form.dataset.passkey === "create" ? create(form) : get(form));
    form.elements.credential.value = JSON.stringify(credential);
  } catch {
    failed.hidden = false; // Refused, timed out, or no passkey: the person decides what next.
    return;
  }
  form.submit();
});
