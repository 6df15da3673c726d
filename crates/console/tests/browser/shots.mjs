// Screenshots to look at: every page, light and dark, wide and narrow, into a folder.
//
// `node shots.mjs FOLDER`

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openBrowser, openNode, openPage } from "./browser.mjs";

const folder = process.argv[2] ?? "shots";
mkdirSync(folder, { recursive: true });
const node = await openNode();
const { context, close } = await openBrowser();
const sizes = { wide: { width: 1440, height: 900 }, huge: { width: 1920, height: 1080 }, narrow: { width: 360, height: 780 } };
const wait = Number(process.env.SETTLE_MS ?? 6500);
for (const scheme of ["light", "dark"]) {
  for (const [name, size] of Object.entries(sizes)) {
    for (const [page, hash] of [["overview", "#/"], ["service", `#/service/${process.env.SERVICE ?? "orders"}`]]) {
      const opened = await openPage(context, node.url, { size, scheme, hash });
      await opened.page.waitForTimeout(wait);
      await opened.page.screenshot({ path: join(folder, `${page}-${scheme}-${name}.png`), fullPage: true });
      if (opened.troubles.length) console.log(page, scheme, name, opened.troubles);
      await opened.page.close();
    }
  }
}
await close();
await node.close();
