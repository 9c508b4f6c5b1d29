import "htmx.org/dist/htmx.esm.js";
// Registers itself on window.htmx: unchanged polls are answered with an empty 304.
import "htmx.org/dist/ext/hx-ptag.js";
