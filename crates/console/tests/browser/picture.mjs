// The README's picture: the overview as a small PNG.
//
// `BASE_URL=http://127.0.0.1:7070 node picture.mjs FILE`, with the demo and some load running.
// `convert FILE +dither -colors 64 -strip PNG8:FILE` (ImageMagick) brings it below 100 KB.

import { openBrowser, openNode, openPage } from "./browser.mjs";

const [file] = process.argv.slice(2);
if (!file) throw new Error("usage: node picture.mjs FILE");
const node = await openNode();
const { context, close } = await openBrowser();
const { page, troubles } = await openPage(context, node.url, { size: { width: 1280, height: 720 } });
await page.locator(".sparkbox svg .line").first().waitFor({ state: "attached" });
await page.locator(".picture .flow:not([data-speed=none])").first().waitFor({ state: "attached" });
await page.screenshot({ path: file });
if (troubles.length) console.log(troubles);
await close();
await node.close();
