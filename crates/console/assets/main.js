// The frame around the pages: the live stream, which page is shown, colours, keys, and what is
// said when the node is gone.

import { set, text } from "/assets/dom.js";
import { follow, keepToken, onTokenNeeded } from "/assets/client.js";
import { askToken, showShortcuts } from "/assets/dialog.js";
import { overview } from "/assets/overview.js";
import { servicePage } from "/assets/service.js";
import { time } from "/assets/format.js";

const EVENTS_MAX = 500;
const THEMES = ["system", "light", "dark"];
const THEME = "mainspring-theme";

const at = (id) => document.getElementById(id);
const main = at("main");
const state = { live: null, events: [] };
let page = null;
let stream = null;
let lost = false;

onTokenNeeded(async (why) => keepToken(await askToken(why)));

// Pages ------------------------------------------------------------------------------------------

function show() {
  const [, kind, name] = location.hash.match(/^#\/(service)\/([^/]+)$/) ?? [];
  page?.close();
  page = kind === "service" ? servicePage(decodeURIComponent(name)) : overview();
  document.title = `${page.title} · Mainspring`;
  main.replaceChildren(page.element);
  page.update(state);
  scrollTo(0, 0);
}

addEventListener("hashchange", () => {
  show();
  // The focus was on a link that is gone; a reader goes on at the page's beginning.
  main.focus({ preventScroll: true });
});

// Live -------------------------------------------------------------------------------------------

function connect() {
  stream?.close();
  stream = follow((lastId) => `/live/stream?after=${lastId ?? state.events.at(-1)?.id ?? 0}`, receive, connection);
}

function receive(kind, data) {
  if (kind === "live") {
    state.live = data;
    const { node } = data.status;
    text(at("node"), `${node.name} · ${node.version}`);
    set(at("node"), "title", `Process ${node.pid}, config ${node.config_path}, generation ${node.config_generation}`);
    page.update(state);
  } else if (kind === "event") {
    // A node that was started anew counts from 1 again.
    if (state.events.length && data.id <= state.events.at(-1).id) state.events = [];
    state.events.push(data);
    if (state.events.length > EVENTS_MAX) state.events.shift();
    if (data.severity === "error" && Date.now() - data.time_unix_ms < 10_000) announce(`${data.replica ?? data.service ?? ""} ${data.message}`);
    schedule();
  }
}

let scheduled = false;
function schedule() {
  // Many events come at once after connecting: one update for all.
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => { scheduled = false; page.update(state); });
}

function connection(now, detail) {
  const words = { open: "Live", lost: "Not connected", refused: "Refused", paused: "Paused" };
  set(at("link"), "data-state", now);
  text(at("link").lastElementChild, words[now]);
  document.body.classList.toggle("stale", now !== "open");
  const notice = at("notice");
  notice.hidden = now !== "lost" && now !== "refused";
  if (now === "lost") {
    const seen = state.live ? ` What you see is from ${time(state.live.sample.time_unix_ms)}.` : "";
    text(notice, `The node does not answer; trying again every few seconds.${seen}`);
    if (!lost) announce("Connection lost");
  } else if (now === "refused") {
    text(notice, `The node refuses: ${detail}`);
  } else if (lost && now === "open") {
    announce("Connected again");
  }
  lost = now === "lost";
}

function announce(words) {
  at("announce").textContent = words;
}

document.addEventListener("visibilitychange", () => {
  // A page that nobody sees costs the node nothing.
  if (document.hidden) {
    stream?.close();
    connection("paused");
  } else {
    connect();
  }
});

// Colours ----------------------------------------------------------------------------------------

function paint() {
  const theme = localStorage.getItem(THEME) ?? "system";
  set(document.documentElement, "data-theme", theme === "system" ? null : theme);
  set(at("theme"), "aria-label", `Colours: ${theme === "system" ? "as the system" : theme}`);
  set(at("theme"), "title", at("theme").getAttribute("aria-label"));
}

function nextTheme() {
  const theme = localStorage.getItem(THEME) ?? "system";
  localStorage.setItem(THEME, THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
  paint();
  announce(at("theme").getAttribute("aria-label"));
}

// Keys -------------------------------------------------------------------------------------------

const SHORTCUTS = [
  ["?", "Show this list"],
  ["o", "Overview"],
  ["1 … 9", "Open the first, second, … service"],
  ["t", "Change colours: as the system, light, dark"],
  ["/", "On a service: filter its logs"],
  ["p", "On a service: pause or resume its logs"],
  ["Esc", "Leave a field or a dialog; else back to the overview"],
];

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else location.hash = "#/";
    return;
  }
  if (typing) return;
  const own = page.keys?.[event.key];
  if (own) own();
  else if (event.key === "?") showShortcuts(SHORTCUTS);
  else if (event.key === "o") location.hash = "#/";
  else if (event.key === "t") nextTheme();
  else if (/^[1-9]$/.test(event.key)) {
    const service = state.live?.status.services[Number(event.key) - 1];
    if (!service) return;
    location.hash = `#/service/${encodeURIComponent(service.name)}`;
  } else return;
  event.preventDefault();
});

at("theme").addEventListener("click", nextTheme);
at("help").addEventListener("click", () => showShortcuts(SHORTCUTS));

paint();
show();
connect();
