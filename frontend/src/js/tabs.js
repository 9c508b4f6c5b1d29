// On a phone the tabs of an area scroll sideways: begin where the reader is.
const here = document.querySelector(".subnav [aria-current]");
if (here) {
  const strip = here.closest(".subnav");
  strip.scrollLeft = here.offsetLeft - strip.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
}
