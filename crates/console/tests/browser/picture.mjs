// The README's picture: the overview as a small PNG.
//
// `BASE_URL=http://127.0.0.1:7070 node picture.mjs FILE`, with the demo and some load running.

import { writeFileSync } from "node:fs";
import { openBrowser, openNode, openPage } from "./browser.mjs";
import { shrink } from "./palette.mjs";

const [file] = process.argv.slice(2);
if (!file) throw new Error("usage: node picture.mjs FILE");
const node = await openNode();
const { context, close } = await openBrowser();
const { page, troubles } = await openPage(context, node.url, { size: { width: 1280, height: 720 } });
await page.locator(".sparkbox svg .line").first().waitFor({ state: "attached" });
await page.locator(".picture .flow:not([data-speed=none])").first().waitFor({ state: "attached" });
writeFileSync(file, await shrink(page, await page.screenshot()));
if (troubles.length) console.log(troubles);
await close();
await node.close();
