// Browser wallets found by EIP-6963, as buttons that take an address into a field
// (data-wallet-fill) or sign the message on the page (data-wallet-sign). The text to sign is the
// server's and is on the page; without a script, or without a wallet, the same fields are filled by
// hand. Names come from wallets and are only ever shown as text.
const DECLINED = 4001; // EIP-1193
const BUSY = -32002;

const places = document.querySelectorAll("[data-wallet-fill], [data-wallet-sign]");
const known = new Set();

function announced(name, provider) {
  for (const place of places) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = place.dataset.walletSign ? "btn btn-primary" : "btn";
    button.textContent = place.dataset.label.replace("{wallet}", name);
    button.addEventListener("click", () => use(place, provider, button));
    place.querySelector("[data-wallets]").append(button);
    place.querySelector("[data-none]").hidden = true;
  }
}

async function use(place, provider, button) {
  const problem = place.querySelector("[data-problem]");
  problem.hidden = true;
  button.disabled = true;
  try {
    await (place.dataset.walletSign ? sign : fill)(place, provider);
  } catch (error) {
    problem.textContent = reason(place, error);
    problem.hidden = false;
  } finally {
    button.disabled = false;
  }
}

function reason(place, error) {
  if (error instanceof WrongAccount) {
    return place.dataset.wrongAccount.replace("{address}", place.dataset.address);
  }
  if (error?.code === DECLINED) return place.dataset.rejected;
  return error?.code === BUSY ? place.dataset.busy : place.dataset.failed;
}

class WrongAccount extends Error {}

async function fill(place, provider) {
  const [address] = await provider.request({ method: "eth_requestAccounts" });
  const field = document.querySelector(place.dataset.walletFill);
  field.value = address;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  field.focus();
}

async function sign(place, provider) {
  const accounts = await provider.request({ method: "eth_requestAccounts" });
  const address = place.dataset.address;
  if (!accounts.some((each) => each.toLowerCase() === address.toLowerCase())) throw new WrongAccount();
  await toChain(provider, place.dataset.chainId);
  const text = document.querySelector(place.dataset.message).textContent;
  const hex = [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, "0")).join("");
  const signature = await provider.request({ method: "personal_sign", params: [`0x${hex}`, address] });
  const field = document.querySelector(place.dataset.walletSign);
  field.value = signature;
  field.form.requestSubmit();
}

// A contract wallet stands on one chain; a key signs alike on all, so a wallet that does not know
// the chain, or cannot switch, signs where it is.
async function toChain(provider, chainId) {
  try {
    const current = await provider.request({ method: "eth_chainId" });
    if (Number(current) === Number(chainId)) return;
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] });
  } catch (error) {
    if (error?.code === DECLINED) throw error;
  }
}

if (places.length > 0) {
  window.addEventListener("eip6963:announceProvider", (event) => {
    const { info, provider } = event.detail ?? {};
    if (!info?.uuid || !provider || known.has(info.uuid)) return;
    known.add(info.uuid);
    announced(String(info.name).slice(0, 40), provider);
  });
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  // Browsers inside older wallet apps announce nothing.
  setTimeout(() => {
    if (known.size === 0 && window.ethereum) announced(places[0].dataset.legacyName, window.ethereum);
  }, 400);
}
