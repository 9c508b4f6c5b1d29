// <button data-copy="text" data-copied="Copied">: puts the text on the clipboard.
import { announce } from "./announce.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    return; // Refused by the browser: the text stays on the page to be selected by hand.
  }
  announce(button.dataset.copied);
  button.classList.add("is-copied");
  setTimeout(() => button.classList.remove("is-copied"), 1600);
});
