// Says a short text to screen readers through the page's one live region.
export function announce(text) {
  const region = document.getElementById("announcer");
  if (region && text && region.textContent !== text) region.textContent = text;
}
