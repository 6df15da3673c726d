// What a person does with the console, done in Chromium.
//
// Waits are for things to happen, never for time to pass. `SERVICE` names the service whose page
// is opened (default: the first). Ends with `N passed, M failed`.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBrowser, openNode, openPage, startFake } from "./browser.mjs";

const PATIENCE_MS = 20_000;
const node = await openNode();
const { context, close } = await openBrowser();
context.setDefaultTimeout(PATIENCE_MS);
const tests = [];
const test = (name, run) => tests.push({ name, run });

/** Opens a page, runs `steps`, and sees that nothing went wrong behind the scenes. */
async function on(options, steps) {
  const { page, troubles } = await openPage(context, options.url ?? node.url, options);
  try {
    await page.locator(".figures, .title").first().waitFor();
    await steps(page);
    if (!options.troubles) assert.deepEqual(troubles, []);
  } finally {
    await page.close();
  }
}

const status = async () => (await fetch(`${node.url}/api/v1/status`)).json();
const services = (await status()).services;
const service = process.env.SERVICE ?? services[0].name;
const servicePage = `#/service/${service}`;
const live = (page) => page.locator('#link[data-state="open"]').waitFor();

test("the overview shows every service and moves", () => on({}, async (page) => {
  await live(page);
  for (const { name } of services) {
    await page.locator(`.picture a[href="#/service/${name}"]`).waitFor();
    await page.locator(`tbody a[href="#/service/${name}"]`).waitFor();
  }
  const rates = page.locator(".picture .big");
  const before = await rates.textContent();
  if (node.fake) await page.waitForFunction((old) => document.querySelector(".picture .big").textContent !== old, before);
  assert.match(await page.locator(".figure dd").first().textContent(), /^[<\d]/);
}));

test("a service is opened from the picture with the keyboard alone", () => on({}, async (page) => {
  await page.locator(`.picture a[href="#/service/${services[0].name}"]`).waitFor();
  for (let presses = 0; presses < 20; presses += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => document.activeElement.closest(".picture a")?.getAttribute("href"));
    if (at) {
      await page.keyboard.press("Enter");
      await page.locator("h1", { hasText: decodeURIComponent(at.split("/").at(-1)) }).waitFor();
      return;
    }
  }
  assert.fail("the picture cannot be reached with Tab");
}));

test("focus survives the beat of the picture", () => on({}, async (page) => {
  const link = page.locator(".picture a.service").first();
  await link.focus();
  const beats = () => page.evaluate(() => document.querySelector(".figure dd").textContent);
  const before = await beats();
  if (node.fake) await page.waitForFunction((old) => document.querySelector(".figure dd").textContent !== old, before);
  assert.ok(await link.evaluate((element) => element === document.activeElement));
}));

test("shortcuts are listed by ? and do what they say", () => on({}, async (page) => {
  await live(page);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("1");
  await page.locator("h1", { hasText: services[0].name }).waitFor();
  await page.keyboard.press("/");
  await page.locator("input[type=search]:focus").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("o");
  await page.locator(".figures").waitFor();
}));

test("colours follow the system, and the switch wins over it", () => on({ scheme: "dark" }, async (page) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await ground(), "rgb(14, 18, 23)");
  await page.keyboard.press("t");
  assert.equal(await ground(), "rgb(244, 245, 247)");
  await page.reload();
  assert.equal(await ground(), "rgb(244, 245, 247)", "it is remembered");
  await page.keyboard.press("t");
  assert.equal(await ground(), "rgb(14, 18, 23)");
  await page.keyboard.press("t");
}));

test("a service has charts, replicas and logs that follow, filter and pause", () => on({ hash: servicePage }, async (page) => {
  await page.locator("figure.chart svg[aria-label*='Requests a second']").waitFor();
  await page.locator(".panel table tbody tr").first().waitFor();
  if (!node.fake) return;
  const lines = page.locator(".log .line:not([hidden])");
  await lines.first().waitFor();
  const count = await lines.count();
  await page.waitForFunction((old) => document.querySelectorAll(".log .line").length > old, count);
  await page.locator("input[type=search]").fill("slow query");
  await page.waitForFunction(() => [...document.querySelectorAll(".log .line:not([hidden])")].every((line) => line.textContent.includes("slow query")));
  await page.locator("input[type=search]").fill("");
  await page.keyboard.press("Escape");
  await page.keyboard.press("p");
  await page.getByText(/Paused; \d+ new lines? waiting/).waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText(/Paused/).waitFor({ state: "hidden" });
}));

test("scaling asks first, then shows the result and the new replicas", () => on({ hash: servicePage }, async (page) => {
  const before = (await status()).services.find((one) => one.name === service).desired;
  const scale = async (to) => {
    await page.getByRole("button", { name: "Scale" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.locator("input").fill(String(to));
    await dialog.getByRole("button", { name: "Scale" }).click();
    await dialog.locator('.result[data-tone="good"]').waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    await page.waitForFunction((wanted) => document.querySelector(".title .badge").textContent.includes(`of ${wanted}`), to);
  };
  await scale(before + 1);
  await scale(before);
}));

test("cancelling changes nothing", () => on({ hash: servicePage }, async (page) => {
  const versions = async () => (await status()).services.map((one) => [one.name, one.version]);
  const before = await versions();
  await page.getByRole("button", { name: "Deploy" }).click();
  const cancel = page.getByRole("dialog").getByRole("button", { name: "Cancel" });
  assert.ok(await cancel.evaluate((element) => element === document.activeElement), "the harmless choice has the focus");
  await cancel.click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.deepEqual(await versions(), before);
}));

if (node.fake) {
  test("a deploy that is rolled back says why", () => on({ hash: "#/service/payments" }, async (page) => {
    await page.getByRole("button", { name: "Deploy" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Deploy" }).click();
    await dialog.locator('.result[data-tone="bad"]', { hasText: "Rolled back: payments.9" }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator('.events li[data-severity="error"]', { hasText: "payments.9" }).first().waitFor();
  }));

  test("a stopped service can be started again", () => on({ hash: "#/service/cart" }, async (page) => {
    const act = async (name) => {
      await page.getByRole("button", { name }).click();
      await page.getByRole("dialog").getByRole("button", { name }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
    };
    await act("Stop");
    await page.getByText("No replica runs.").waitFor();
    await act("Start");
    await page.locator(".title .badge", { hasText: "Ready 2 of 2" }).waitFor();
  }));

  test("a node that goes away is noticed, and so is its return", async () => {
    const first = await startFake(process.env.FAKE_NODE, "127.0.0.1:0");
    const address = first.url.replace("http://", "");
    let second = null;
    await on({ url: first.url, troubles: true }, async (page) => {
      await live(page);
      await first.close();
      await page.getByRole("status").filter({ hasText: "The node does not answer" }).waitFor();
      await page.locator("#link", { hasText: "Not connected" }).waitFor();
      second = await startFake(process.env.FAKE_NODE, address);
      await live(page);
      await page.locator("#notice").waitFor({ state: "hidden" });
    });
    await second.close();
  });
}

if (node.fake) {
  test("from another machine it asks for the token until it is right", async () => {
    const folder = mkdtempSync(join(tmpdir(), "console-token-"));
    const file = join(folder, "token");
    const guarded = await startFake(process.env.FAKE_NODE, "127.0.0.1:0", file);
    const page = await context.newPage();
    // What comes through a proxy is treated like what comes from elsewhere.
    await page.setExtraHTTPHeaders({ "x-forwarded-for": "192.0.2.1" });
    await page.goto(guarded.url);
    const dialog = page.getByRole("dialog", { name: "This node asks for its token" });
    for (const token of ["wrong", readFileSync(file, "utf8").trim()]) {
      await dialog.locator("input").fill(token);
      await dialog.getByRole("button", { name: "Continue" }).click();
      if (token === "wrong") await dialog.getByText("the token is wrong").waitFor();
    }
    await live(page);
    await dialog.waitFor({ state: "detached" });
    await page.close();
    await guarded.close();
    rmSync(folder, { recursive: true });
  });
}

test("a service that does not exist is said to", () => on({ hash: "#/service/nothing", troubles: true }, async (page) => {
  await page.getByText("There is no service nothing on this node.").waitFor();
}));

for (const width of [320, 360, 768, 1024, 1440, 1920]) {
  for (const hash of ["#/", servicePage]) {
    test(`nothing sticks out at ${width} px on ${hash}`, () => on({ hash, size: { width, height: 800 } }, async (page) => {
      await page.locator("tbody tr").first().waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${wide} px too wide`);
    }));
  }
}

for (const scheme of ["light", "dark"]) {
  for (const hash of ["#/", servicePage]) {
    test(`text has a contrast of 4.5 in ${scheme} on ${hash}`, () => on({ hash, scheme }, async (page) => {
      await page.locator("tbody tr").first().waitFor();
      assert.deepEqual(await page.evaluate(lowContrast), []);
      // The check itself must be able to fail: on a page and in a drawing.
      for (const place of ["h2:not(.unseen)", ...(hash === "#/" ? [".picture .name"] : [])]) {
        await page.evaluate((selector) => {
          const { style } = document.querySelector(selector);
          style.color = style.fill = "#777";
        }, place);
        assert.equal((await page.evaluate(lowContrast)).length, 1, `${place} in grey goes unnoticed`);
        await page.evaluate((selector) => document.querySelector(selector).removeAttribute("style"), place);
      }
    }));
  }
}

test("every control has a name", () => on({ hash: servicePage }, async (page) => {
  await page.locator("tbody tr").first().waitFor();
  const nameless = await page.evaluate(() => [...document.querySelectorAll("a, button, input, [role=region]")]
    .filter((element) => !(element.getAttribute("aria-label") || element.textContent.trim() || element.labels?.length))
    .map((element) => element.outerHTML));
  assert.deepEqual(nameless, []);
}));

test("nothing moves for those who asked for that", () => on({ motion: "reduce" }, async (page) => {
  await page.locator(".picture .flow").first().waitFor({ state: "attached" });
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
}));

/** Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3). Runs in the page. */
function lowContrast() {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((value) => value / 255).map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      if (at.closest("svg.picture") && at.tagName !== "DIV") {
        const card = at.parentElement?.querySelector?.(":scope > .card");
        if (card) return channels(getComputedStyle(card).fill);
      }
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !element.checkVisibility?.() || element.closest(".unseen, noscript, .skip")) continue;
    const style = getComputedStyle(element);
    const ink = channels(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.add(`${element.tagName}.${element.getAttribute("class")} ${ratio.toFixed(2)}`);
  }
  return [...found];
}

let failed = 0;
for (const { name, run } of tests) {
  try {
    await run();
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n     ${String(error.stack ?? error).split("\n").slice(0, 12).join("\n     ")}`);
  }
}
await close();
await node.close();
console.log(`${tests.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
