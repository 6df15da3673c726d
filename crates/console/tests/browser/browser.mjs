// Chromium from Debian, offline in spirit: it may reach the node under test and nothing else.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { once } from "node:events";
import { chromium } from "playwright-core";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Starts the browser with a fresh profile; `close()` removes it. */
export async function openBrowser() {
  const profile = mkdtempSync(join(tmpdir(), "console-browser-"));
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS });
  const browser = context.browser() ?? context;
  return { context, browser, async close() { await context.close(); rmSync(profile, { recursive: true, force: true }); } };
}

/** The node under test: `BASE_URL`, or the fake node that `FAKE_NODE` names. */
export async function openNode() {
  if (process.env.BASE_URL) return { url: process.env.BASE_URL.replace(/\/$/, ""), fake: false, close() {} };
  const command = process.env.FAKE_NODE;
  if (!command) throw new Error("set BASE_URL to a running console, or FAKE_NODE to the example's binary");
  return startFake(command, "127.0.0.1:0");
}

export async function startFake(command, ...words) {
  const child = spawn(command, words, { stdio: ["pipe", "pipe", "inherit"] });
  const [url] = await once(createInterface({ input: child.stdout }), "line");
  return { url, fake: true, child, async close() { child.stdin.end(); await once(child, "exit"); } };
}

/** A page that notes what must not happen: errors in its console and requests to other hosts. */
export async function openPage(context, url, options = {}) {
  const page = await context.newPage();
  const troubles = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) troubles.push(message.text()); });
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(`${url}/`)) troubles.push(`request to ${request.url()}`); });
  if (options.size) await page.setViewportSize(options.size);
  await page.emulateMedia({ colorScheme: options.scheme ?? "light", reducedMotion: options.motion ?? "no-preference" });
  await page.goto(`${url}/${options.hash ?? ""}`);
  return { page, troubles };
}
