// The first page: the figures of the whole node, the live picture, services, routes and events.

import { h, set, text, keyed } from "/assets/dom.js";
import { call } from "/assets/client.js";
import { spark } from "/assets/chart.js";
import { picture } from "/assets/picture.js";
import * as format from "/assets/format.js";

const EVENTS_SHOWN = 60;
const HISTORY_MS = 5_000;

/** The page: its element, `update(state)` for each picture, `close()` when another page comes. */
export function overview() {
  const live = picture();
  const figures = totals();
  const services = servicesTable();
  const routes = routesTable();
  const events = eventList("What happened");
  const refused = h("div.warning", { role: "alert", hidden: true });
  const element = h("div.page", {}, h("h1.unseen", {}, "Overview"), refused, figures.element,
    h("section.panel", {}, h("h2.unseen", {}, "Live picture"), live.element),
    h("div.columns", {}, h("div.stack", {}, services.element, routes.element), events.element));
  let closed = false;
  let timer = null;

  async function refresh() {
    try {
      figures.history(await call("GET", "/history?minutes=5"));
    } catch {
      // The stream says it when the node is gone; the next round fills the gap.
    }
    if (!closed) timer = setTimeout(refresh, HISTORY_MS);
  }
  refresh();

  function update(state) {
    const { live: now } = state;
    if (now) {
      const wrong = now.status.node.config_error;
      refused.hidden = !wrong;
      if (wrong) text(refused, `The last reload was refused; the config before it is in force.\n${wrong}`);
      figures.update(now);
      live.update(now);
      services.update(now);
      routes.update(now);
    }
    events.update(state.events);
  }
  return { title: "Overview", element, update, close() { closed = true; clearTimeout(timer); } };
}

function totals() {
  const cell = (label, of) => {
    const value = h("dd", {}, format.NONE);
    const small = h("span.small", {});
    const line = h("span.sparkbox", {});
    return { of, value, small, line, element: h("div.figure", {}, h("dt", {}, label), value, small, line) };
  };
  const cells = {
    rate: cell("Requests a second", (point) => point.requests_per_s),
    errors: cell("Errors", (point) => point.errors_per_s),
    p50: cell("p50", (point) => point.p50_us),
    p99: cell("p99", (point) => point.p99_us),
    services: cell("Services ready", null),
    usage: cell("CPU of all programs", null),
  };
  const element = h("dl.figures", {}, ...Object.values(cells).map((one) => one.element));
  return {
    element,
    update({ status, sample }) {
      const share = format.errorShare(sample.total);
      text(cells.rate.value, format.rate(sample.total.requests_per_s));
      text(cells.rate.small, format.count(sample.connections, "connection"));
      text(cells.errors.value, format.percent(share ?? 0));
      text(cells.errors.small, `${format.rate(sample.total.errors_per_s)} a second`);
      set(cells.errors.element, "data-tone", share >= 0.01 ? "bad" : null);
      text(cells.p50.value, format.micros(sample.total.p50_us));
      text(cells.p50.small, "half are faster");
      text(cells.p99.value, format.micros(sample.total.p99_us));
      text(cells.p99.small, "99 of 100 are faster");
      const wanted = status.services.filter((service) => service.state !== "stopped");
      const ready = wanted.filter((service) => service.state === "ready");
      text(cells.services.value, `${ready.length} of ${wanted.length}`);
      const failing = wanted.filter((service) => format.tone(service.state) === "bad").length;
      const busy = wanted.length - ready.length - failing;
      const said = [failing ? `${failing} failing` : "", busy ? `${busy} partly ready` : ""].filter(Boolean);
      text(cells.services.small, said.join(", ") || "all well");
      set(cells.services.element, "data-tone", failing ? "bad" : null);
      const replicas = status.services.flatMap((service) => service.replicas);
      const sum = (of) => replicas.reduce((total, replica) => total + (of(replica) ?? 0), 0);
      text(cells.usage.value, format.cpu(sum((replica) => replica.cpu_cores)));
      text(cells.usage.small, `${format.bytes(sum((replica) => replica.resident_bytes))}; Mainspring ${format.bytes(status.node.resident_bytes)}`);
    },
    history(history) {
      const points = history.series[0]?.points ?? [];
      for (const one of Object.values(cells)) {
        if (one.of) one.line.replaceChildren(spark(points, one.of));
      }
    },
  };
}

/** A table whose rows follow `rows`; `columns`: [{ name, numeric, cell(row) → text or node }]. */
function table(title, columns, empty) {
  const body = h("tbody");
  const nothing = h("p.empty", { hidden: true }, empty);
  const element = h("section.panel", {}, h("h2", {}, title),
    h("div.scroll", { tabindex: "0", role: "region", "aria-label": title }, h("table", {},
      h("thead", {}, h("tr", {}, ...columns.map((column) =>
        h("th", { scope: "col", class: column.numeric ? "numeric" : null }, column.name)))), body)), nothing);
  function update(rows, key) {
    nothing.hidden = rows.length > 0;
    keyed(body, rows, key,
      () => h("tr", {}, ...columns.map((column) => h("td", { class: column.numeric ? "numeric" : null, "data-label": column.name }))),
      (line, row) => columns.forEach((column, index) => column.fill(line.children[index], row)));
  }
  return { element, update };
}

/** The state as a shape and a word. */
export function stateBadge(cell, word, detail = "") {
  const looks = format.tone(word);
  let badge = cell.firstElementChild;
  if (!badge) {
    badge = h("span.badge", {}, h("i", { "aria-hidden": "true" }), h("span"));
    cell.append(badge);
  }
  set(badge, "data-tone", looks);
  text(badge.lastElementChild, format.state(word) + (detail ? ` ${detail}` : ""));
}

function plain(of, tone = () => null) {
  return (cell, row) => { text(cell, of(row)); set(cell, "data-tone", tone(row)); };
}

function servicesTable() {
  const share = (row) => format.errorShare(row.traffic);
  const sum = (row, of) => {
    const known = row.replicas.map(of).filter((value) => value !== undefined && value !== null);
    return known.length ? known.reduce((a, b) => a + b, 0) : null;
  };
  const view = table("Services", [
    { name: "Service", fill: (cell, row) => {
      if (!cell.firstElementChild) cell.append(h("a", { href: `#/service/${encodeURIComponent(row.name)}` }, row.name));
    } },
    { name: "State", fill: (cell, row) => { stateBadge(cell, row.state); set(cell, "title", row.reason || null); } },
    { name: "Ready", numeric: true, fill: plain((row) => `${row.ready} of ${row.desired}`) },
    { name: "req/s", numeric: true, fill: plain((row) => format.rate(row.traffic?.requests_per_s ?? 0)) },
    { name: "Errors", numeric: true, fill: plain((row) => format.percent(share(row) ?? 0), (row) => (share(row) >= 0.01 ? "bad" : null)) },
    { name: "p50", numeric: true, fill: plain((row) => format.micros(row.traffic?.p50_us)) },
    { name: "p99", numeric: true, fill: plain((row) => format.micros(row.traffic?.p99_us)) },
    { name: "CPU", numeric: true, fill: plain((row) => format.cpu(sum(row, (replica) => replica.cpu_cores))) },
    { name: "Memory", numeric: true, fill: plain((row) => format.bytes(sum(row, (replica) => replica.resident_bytes))) },
    { name: "Restarts", numeric: true, fill: plain((row) => row.restarts.toLocaleString("en")) },
  ], "No services yet. Add a [service.NAME] section to the config and reload.");
  return {
    element: view.element,
    update({ status, sample }) {
      const rates = new Map(sample.services);
      view.update(status.services.map((service) => ({ ...service, traffic: rates.get(service.name) })), (row) => row.name);
    },
  };
}

function routesTable() {
  const share = (row) => format.errorShare(row.traffic);
  const view = table("Routes", [
    { name: "Matches", fill: (cell, row) => {
      const shown = `${row.methods.join(" ")} ${row.host ?? ""}${row.path}`.trim();
      if (!cell.firstElementChild) cell.append(h("code", {}));
      text(cell.firstElementChild, shown);
    } },
    { name: "Service", fill: plain((row) => row.to) },
    { name: "Balance", fill: plain((row) => row.balance) },
    { name: "req/s", numeric: true, fill: plain((row) => format.rate(row.traffic?.requests_per_s ?? 0)) },
    { name: "Errors", numeric: true, fill: plain((row) => format.percent(share(row) ?? 0), (row) => (share(row) >= 0.01 ? "bad" : null)) },
    { name: "p99", numeric: true, fill: plain((row) => format.micros(row.traffic?.p99_us)) },
  ], "No routes yet. Without one, every request is answered with 404.");
  return {
    element: view.element,
    update({ status, sample }) {
      const rates = new Map(sample.routes);
      view.update(status.routes.map((route) => ({ ...route, traffic: rates.get(route.name) })), (row) => row.name);
    },
  };
}

/** Events, newest first, with a choice of showing troubles alone. */
export function eventList(title, service = null) {
  const list = h("ol.events");
  const empty = h("p.empty", { hidden: true }, "Nothing has happened yet.");
  let troubles = false;
  let last = [];
  const only = h("button.toggle", { type: "button", "aria-pressed": "false", onclick: () => {
    troubles = !troubles;
    set(only, "aria-pressed", String(troubles));
    update(last);
  } }, "Troubles only");
  const element = h("section.panel", {}, h("div.panel-head", {}, h("h2", {}, title), only), list, empty);

  function update(events) {
    last = events;
    const shown = events.filter((event) => (!service || event.service === service) && (!troubles || event.severity !== "info"));
    const newest = shown.slice(-EVENTS_SHOWN).reverse();
    empty.hidden = newest.length > 0;
    text(empty, troubles ? "No troubles so far." : "Nothing has happened yet.");
    keyed(list, newest, (event) => event.id, make, () => {});
  }

  function make(event) {
    const names = { info: "", warning: "Warning: ", error: "Error: " };
    const who = event.replica ?? event.service;
    const said = who && event.message.startsWith(who);
    return h("li", { "data-severity": event.severity },
      h("i", { "aria-hidden": "true" }), h("time", { datetime: new Date(event.time_unix_ms).toISOString(), title: format.date(event.time_unix_ms) }, format.time(event.time_unix_ms)),
      h("span", {}, h("span.unseen", {}, names[event.severity]), who && !said ? h("b", {}, `${who} `) : null, event.message));
  }
  return { element, update };
}
