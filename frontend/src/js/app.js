// Enhancements of pages that already work without a script. Nothing here decides anything: limits,
// prices and expiries are enforced by the server.
import "./htmx.js";
import "./copy.js";
import "./countdown.js";
import "./dialogs.js";
import "./live.js";
import "./localtime.js";
import "./menus.js";
import "./passkeys.js";
import "./proof.js";
import "./tabs.js";
import "./wallet.js";

document.documentElement.classList.add("js");
