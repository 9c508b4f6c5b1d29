// Builds static/dist from this folder: `npm ci && npm run build`. The output is committed, so that
// a machine with Python alone serves the site; `.ci/assets` proves that a rebuild gives the same.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static", "dist");

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, "fonts"), { recursive: true });

for (const subset of ["latin", "latin-ext"]) {
  const file = `inter-${subset}-wght-normal.woff2`;
  cpSync(join(here, "node_modules/@fontsource-variable/inter/files", file), join(out, "fonts", file));
}

// One sprite instead of inline drawings: pages stay small and the browser keeps the file.
const symbols = readdirSync(join(here, "icons"))
  .filter((name) => name.endsWith(".svg"))
  .sort()
  .map((name) => {
    const svg = readFileSync(join(here, "icons", name), "utf8");
    const inner = svg.replace(/^[\s\S]*?<svg[^>]*>/, "").replace(/<\/svg>\s*$/, "").trim();
    const id = name.slice(0, -4);
    return (
      `<symbol id="${id}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"` +
      ` stroke-linecap="round" stroke-linejoin="round">${inner.replace(/\s*\n\s*/g, "")}</symbol>`
    );
  });
writeFileSync(
  join(out, "icons.svg"),
  `<svg xmlns="http://www.w3.org/2000/svg"><!-- Lucide icons, ISC licence: see frontend/icons/LICENSE -->\n${symbols.join("\n")}\n</svg>\n`,
);

await build({
  entryPoints: [join(here, "src/js/app.js")],
  outfile: join(out, "app.js"),
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
});

execFileSync(
  process.execPath,
  [
    join(here, "node_modules/@tailwindcss/cli/dist/index.mjs"),
    "--input", join(here, "src/app.css"),
    "--output", join(out, "app.css"),
    "--minify",
  ],
  { cwd: here, stdio: ["ignore", "ignore", "inherit"] },
);
