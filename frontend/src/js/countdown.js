// <p data-seconds-left="58" data-disables="id" data-reveals="id" data-expired-text="…">: counts a frozen
// price down. The server's clock may differ from ours, so it sends seconds left, not a moment.
import { announce } from "./announce.js";

for (const element of document.querySelectorAll("[data-seconds-left]")) {
  const ends = performance.now() + Number(element.dataset.secondsLeft) * 1000;
  const shown = element.querySelector("[data-countdown]");
  const tick = () => {
    const left = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
    shown.textContent = String(left);
    if (left > 0) return;
    clearInterval(timer);
    for (const id of (element.dataset.disables ?? "").split(" ").filter(Boolean)) {
      document.getElementById(id)?.setAttribute("disabled", "");
    }
    for (const id of (element.dataset.reveals ?? "").split(" ").filter(Boolean)) {
      document.getElementById(id)?.removeAttribute("hidden");
    }
    element.hidden = true;
    announce(element.dataset.expiredText);
  };
  const timer = setInterval(tick, 250);
  tick();
}
