// <time datetime="…" data-local>: shows the reader's own clock. Without a script it stays in UTC,
// labelled as such.
function localise(root) {
  for (const element of root.querySelectorAll("time[data-local]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const precise = element.dataset.local === "seconds";
    element.textContent = new Intl.DateTimeFormat(document.documentElement.lang, {
      dateStyle: "medium",
      timeStyle: precise ? "medium" : "short",
    }).format(moment);
    element.title = element.dateTime;
    delete element.dataset.local;
  }
}

localise(document);
document.addEventListener("htmx:after:swap", () => localise(document));
