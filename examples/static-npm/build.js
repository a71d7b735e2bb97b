// Turns each Markdown file of pages/ into a page of dist/.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { marked } from "marked";

const layout = readFileSync("layout.html", "utf8");

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");

for (const file of readdirSync("pages").sort()) {
  const name = basename(file, ".md");
  const text = readFileSync(join("pages", file), "utf8");
  const title = text.match(/^# (.+)$/m)?.[1] ?? name;
  // Functions, for a replacement text would read "$&" and the like in a page as patterns.
  const page = layout.replaceAll("{title}", () => title).replace("{body}", () => marked.parse(text));
  writeFileSync(join("dist", `${name}.html`), page);
  console.log(`dist/${name}.html  ${title}`);
}
