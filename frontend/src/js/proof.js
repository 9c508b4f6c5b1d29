// <section data-proof="URL" data-root="…" data-sum="…">: computes a proof of reserve anew, in the browser,
// as docs/liabilities-tree.md says, and compares it with the root that the page was published with.
import { announce } from "./announce.js";

const LIMIT = 1n << 128n;

function bytes(hex, size) {
  if (!new RegExp(`^[0-9a-f]{${2 * size}}$`).test(hex)) throw new Error("not hex");
  return Uint8Array.from({ length: size }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16));
}

function whole(text, limit = LIMIT) {
  if (!/^(0|[1-9][0-9]{0,38})$/.test(text) || BigInt(text) >= limit) throw new Error("not a number");
  return BigInt(text);
}

function packed(number, size) {
  return bytes(number.toString(16).padStart(2 * size, "0"), size);
}

async function digest(...parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined));
}

const hex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
const inside = (node) => [node.hash, packed(node.sum, 16)];

async function leafOf({ index, account, salt, units }) {
  const sum = whole(units);
  const parts = [packed(whole(index), 8), bytes(account.slice(2), 20), bytes(salt, 32), packed(sum, 16)];
  return { hash: await digest([0], ...parts), sum };
}

async function paddingMatches(sibling, level, index) {
  const expected = await digest([2], [level], packed(index, 8));
  return sibling.sum === 0n && hex(sibling.hash) === hex(expected);
}

async function climb(proof) {
  let node = await leafOf(proof.leaf);
  let index = whole(proof.leaf.index);
  let count = whole(proof.root.holders);
  if (index >= count) throw new Error("index");
  for (const [level, { hash, sum }] of proof.path.entries()) {
    if (count <= 1n) throw new Error("too long a path");
    const sibling = { hash: bytes(hash, 32), sum: whole(sum) };
    if ((index ^ 1n) >= count && !(await paddingMatches(sibling, level, index ^ 1n))) {
      throw new Error("padding");
    }
    const [left, right] = index & 1n ? [sibling, node] : [node, sibling];
    const total = node.sum + sibling.sum;
    if (total >= LIMIT) throw new Error("overflow");
    node = { hash: await digest([1], ...inside(left), ...inside(right)), sum: total };
    index >>= 1n;
    count = (count + 1n) / 2n;
  }
  if (count !== 1n) throw new Error("too short a path");
  return node;
}

// The root is compared with the one in the page, not with the one in the file.
async function leadsTo(proof, root, sum) {
  try {
    const top = await climb(proof);
    const snapshot = bytes(proof.snapshot.replaceAll("-", ""), 16);
    const made = await digest([3], snapshot, packed(whole(proof.root.holders), 8), ...inside(top));
    return proof.format === "agora-liabilities-proof/1" && hex(made) === root && top.sum === whole(sum);
  } catch {
    return false;
  }
}

// verdict: "right", "wrong" or "unable", each with a notice of its own in the page.
function tell(section, verdict) {
  for (const notice of section.querySelectorAll("[data-verdict]")) {
    notice.hidden = notice.dataset.verdict !== verdict;
    if (!notice.hidden) announce(notice.textContent.trim().replace(/\s+/g, " "));
  }
}

async function check({ proof, root, sum }) {
  let fetched;
  try {
    if (!globalThis.crypto?.subtle) return "unable"; // not over HTTPS
    const answer = await fetch(proof, { credentials: "same-origin" });
    fetched = await answer.json();
  } catch {
    return "unable";
  }
  return (await leadsTo(fetched, root, sum)) ? "right" : "wrong";
}

for (const section of document.querySelectorAll("[data-proof]")) {
  const button = section.querySelector("[data-check]");
  button.addEventListener("click", async () => {
    button.setAttribute("aria-busy", "true");
    tell(section, await check(section.dataset));
    button.removeAttribute("aria-busy");
  });
}
