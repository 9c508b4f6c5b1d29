// Names the scrolling regions: the library that draws the scroll bars calls each of them "scrollable
// content", and only reads another name as it starts, after this.
document.addEventListener("DOMContentLoaded", () => {
    const heading = document.querySelector("h1")?.textContent.trim();
    for (const region of document.querySelectorAll("[data-simplebar]")) {
        const menu = region.closest("nav") !== null;
        region.setAttribute("data-simplebar-aria-label", (!menu && heading) || document.title);
    }
});
