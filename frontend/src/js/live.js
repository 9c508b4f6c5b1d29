// Manners of polling: no requests while the tab is hidden, one at once when it is seen again, and the
// new headline is said aloud.
import { announce } from "./announce.js";

document.addEventListener("htmx:before:request", (event) => {
  const source = event.detail?.ctx?.sourceElement;
  if (document.hidden && source?.hasAttribute?.("data-poll")) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-poll]")) {
    window.htmx.trigger(element, "seen");
  }
});

document.addEventListener("htmx:after:swap", () => {
  for (const element of document.querySelectorAll("[data-announce]")) {
    announce(element.dataset.announce);
  }
});
