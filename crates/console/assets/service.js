// One service: what it does, its replicas, its last hour, its logs, and what can be done to it.

import { h, set, text, keyed, fill } from "/assets/dom.js";
import { call, follow } from "/assets/client.js";
import { chart } from "/assets/chart.js";
import { confirmAndDo } from "/assets/dialog.js";
import { eventList, stateBadge } from "/assets/overview.js";
import * as format from "/assets/format.js";

const HISTORY_MS = 5_000;
const LINES_MAX = 1_000;
const TAIL = 200;

/** The page of the service `name`. */
export function servicePage(name) {
  const path = `/services/${encodeURIComponent(name)}`;
  const badge = h("span.state");
  const reason = h("p.reason", { hidden: true });
  const facts = h("dl.facts");
  const actions = buttons(name, path, () => current);
  const charts = charting(name);
  const replicas = replicaTable();
  const logs = logPanel(name);
  const events = eventList("What happened to it", name);
  const missing = h("p.empty", { hidden: true }, `There is no service ${name} on this node. `, h("a", { href: "#/" }, "To the overview"));
  const body = h("div.stack", {}, reason, facts, charts.element, replicas.element,
    h("div.columns", {}, logs.element, events.element));
  const element = h("div.page", {},
    h("nav", { "aria-label": "Where you are" }, h("a", { href: "#/" }, "Overview"), h("span", { "aria-hidden": "true" }, " / "), h("span", {}, name)),
    h("div.title", {}, h("h1", {}, name), badge, h("span.grow"), actions.element), missing, body);
  let current = null;

  function update(state) {
    events.update(state.events);
    if (!state.live) return;
    const service = state.live.status.services.find((one) => one.name === name);
    missing.hidden = Boolean(service);
    body.hidden = !service;
    actions.element.hidden = !service || service.kind === "external";
    if (!service) return;
    current = service;
    stateBadge(badge, service.state, `${service.ready} of ${service.desired}`);
    const why = service.deploy ? `Version ${service.deploy.version}: ${service.deploy.replaced} of ${service.deploy.wanted} replaced; ${service.deploy.step}` : service.reason;
    reason.hidden = !why;
    text(reason, why);
    set(reason, "data-tone", format.tone(service.state));
    describe(facts, service, state.live);
    actions.update(service);
    replicas.update(service, state.live.sample);
  }
  return {
    title: name, element, update,
    keys: { "/": () => logs.focus(), p: () => logs.pause() },
    close() { charts.close(); logs.close(); },
  };
}

function describe(facts, service, live) {
  const routes = live.status.routes.filter((route) => route.to === service.name);
  const rows = [
    ["Runs", service.run ?? "by somebody else; Mainspring only checks its health"],
    ["Version", String(service.version)],
    ["Routes", routes.map((route) => `${route.host ?? ""}${route.path}`).join(", ") || "none"],
    ["Needs", service.needs.join(", ") || "nothing"],
    ["Limits", service.limits.map((limit) => `${limit.what} ${limit.limit} (${limit.enforced_by})`).join(", ") || "none"],
    ["Restarts", service.restarts.toLocaleString("en")],
  ];
  keyed(facts, rows, ([name]) => name,
    ([name]) => h("div", {}, h("dt", {}, name), h("dd")),
    (element, [, value]) => text(element.lastElementChild, value));
}

function buttons(name, path, service) {
  const done = (report) => ({ good: true, text: `${report.message} (${format.duration(report.took_ms)})` });
  const ask = (options) => () => confirmAndDo(options());
  const deploy = ask(() => ({
    title: `Deploy ${name}?`, verb: "Deploy",
    text: "New replicas start and must get healthy before the old ones drain. No request is dropped; if they do not get healthy, the old ones stay.",
    act: async () => {
      const report = await call("POST", `${path}/deploy`);
      const good = report.outcome === "done";
      return { good, text: `${good ? "Done" : "Rolled back"}: ${report.message} (${format.duration(report.took_ms)})` };
    },
  }));
  const scale = ask(() => ({
    title: `Scale ${name}`, verb: "Scale", text: "Replicas that go are drained first.",
    field: { label: "Replicas", value: service()?.desired ?? 1, min: 0, max: 1000 },
    act: async (replicas) => done(await call("POST", `${path}/scale`, { replicas })),
  }));
  const restart = ask(() => ({
    title: `Restart ${name}?`, verb: "Restart", text: "Its replicas are replaced one after another, without a gap.",
    act: async () => done(await call("POST", `${path}/restart`)),
  }));
  const stop = ask(() => ({
    title: `Stop ${name}?`, verb: "Stop", danger: true, text: "Its routes answer 503 until it is started again.",
    act: async () => done(await call("POST", `${path}/stop`)),
  }));
  const start = ask(() => ({
    title: `Start ${name}?`, verb: "Start", text: "It gets the replicas that its config asks for.",
    act: async () => done(await call("POST", `${path}/start`)),
  }));
  const button = (label, onclick, kind = "") => h(`button.button${kind}`, { type: "button", onclick }, label);
  const all = { deploy: button("Deploy", deploy, ".primary"), scale: button("Scale", scale), restart: button("Restart", restart), stop: button("Stop", stop), start: button("Start", start, ".primary") };
  return {
    element: h("div.actions", { role: "group", "aria-label": `Actions on ${name}` }, ...Object.values(all)),
    update(now) {
      const stopped = now.state === "stopped";
      for (const [what, one] of Object.entries(all)) one.hidden = (what === "start") !== stopped;
    },
  };
}

function charting(name) {
  const views = [
    chart({ title: "Requests a second", format: format.rate, lines: [
      { name: "all", tone: "accent", of: (point) => point.requests_per_s },
      { name: "errors", tone: "bad", of: (point) => point.errors_per_s }] }),
    chart({ title: "Latency", format: format.micros, lines: [
      { name: "p99", tone: "second", of: (point) => point.p99_us },
      { name: "p50", tone: "accent", of: (point) => point.p50_us }] }),
    chart({ title: "CPU", format: format.cpu, lines: [{ name: "CPU", tone: "accent", of: (point) => point.cpu_cores }] }),
    chart({ title: "Memory", format: format.bytes, binary: true, lines: [{ name: "memory", tone: "accent", of: (point) => point.resident_bytes }] }),
  ];
  let minutes = 5;
  let timer = null;
  let closed = false;
  const ranges = [5, 15, 60].map((range) => h("button.toggle", { type: "button", "aria-pressed": String(range === minutes), onclick: () => {
    minutes = range;
    ranges.forEach((other, index) => set(other, "aria-pressed", String([5, 15, 60][index] === minutes)));
    refresh();
  } }, `${range} min`));
  const element = h("section.panel", {},
    h("div.panel-head", {}, h("h2", {}, "History"), h("div.ranges", { role: "group", "aria-label": "How far back" }, ...ranges)),
    h("div.charts", {}, ...views.map((view) => view.element)));

  async function refresh() {
    clearTimeout(timer);
    const asked = minutes;
    try {
      const history = await call("GET", `/history?service=${encodeURIComponent(name)}&minutes=${asked}`);
      if (asked === minutes) views.forEach((view) => view.update(history, asked));
    } catch {
      // The node is away, or the service has gone: the next round tries again.
      views.forEach((view) => view.update(null, asked));
    }
    if (!closed && asked === minutes) timer = setTimeout(refresh, HISTORY_MS);
  }
  refresh();
  return { element, close() { closed = true; clearTimeout(timer); } };
}

function replicaTable() {
  const columns = ["Replica", "State", "Health", "Address", "Process", "Up", "req/s", "In flight", "p99", "CPU", "Memory", "Last exit"];
  const numeric = new Set(["Process", "Up", "req/s", "In flight", "p99", "CPU", "Memory"]);
  const body = h("tbody");
  const empty = h("p.empty", { hidden: true }, "No replica runs.");
  const element = h("section.panel", {}, h("h2", {}, "Replicas"),
    h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Replicas" }, h("table", {},
      h("thead", {}, h("tr", {}, ...columns.map((column) =>
        h("th", { scope: "col", class: numeric.has(column) ? "numeric" : null }, column)))), body)), empty);

  function update(service, sample) {
    const rates = new Map(sample.endpoints);
    empty.hidden = service.replicas.length > 0;
    keyed(body, service.replicas, (replica) => replica.id,
      () => h("tr", {}, ...columns.map((column) => h("td", { class: numeric.has(column) ? "numeric" : null }))),
      (row, replica) => fillRow(row, replica, service, rates.get(replica.id)));
  }

  function fillRow(row, replica, service, traffic) {
    const old = replica.version && replica.version !== service.version ? ` (version ${replica.version})` : "";
    const up = replica.started_unix_ms && replica.pid ? Date.now() - replica.started_unix_ms : null;
    const values = [
      replica.id + old, null, replica.health.detail || replica.health.check || format.NONE, replica.address ?? format.NONE,
      replica.pid ? `${replica.pid}${replica.adopted ? " (taken over)" : ""}` : format.NONE,
      format.duration(up), format.rate(traffic?.requests_per_s ?? 0), String(replica.in_flight), format.micros(traffic?.p99_us),
      format.cpu(replica.cpu_cores), format.bytes(replica.resident_bytes), null,
    ];
    values.forEach((value, index) => { if (value !== null) text(row.children[index], value); });
    stateBadge(row.children[1], replica.state);
    exit(row.lastElementChild, replica);
  }

  function exit(cell, replica) {
    const last = replica.last_exit;
    const said = last ? `${last.reason}, ${format.time(last.time_unix_ms)}` : format.NONE;
    if (!last?.last_lines.length) { text(cell, said); return; }
    if (cell.dataset.said === said) return;
    cell.dataset.said = said;
    fill(cell, h("details", {}, h("summary", {}, said), h("pre.lines", {}, last.last_lines.join("\n"))));
  }
  return { element, update };
}

function logPanel(name) {
  const list = h("div.log", { role: "log", "aria-label": `Logs of ${name}`, "aria-live": "off", tabindex: "0" });
  const empty = h("p.empty", {}, "No lines yet.");
  const filter = h("input", { type: "search", placeholder: "Filter (press /)", "aria-label": "Show only lines that hold this text", oninput: apply });
  const pauseButton = h("button.toggle", { type: "button", "aria-pressed": "false", onclick: pause }, "Pause");
  const errors = h("button.toggle", { type: "button", "aria-pressed": "false", onclick: () => {
    set(errors, "aria-pressed", String(errors.getAttribute("aria-pressed") !== "true"));
    apply();
  } }, "stderr only");
  const note = h("p.note", { role: "status" });
  const element = h("section.panel.logs", {},
    h("div.panel-head", {}, h("h2", {}, "Logs"), h("div.tools", {}, filter, errors, pauseButton)), list, empty, note);
  let paused = false;
  let held = [];
  let queue = [];
  let fresh = true;

  const stream = follow(() => `/logs/stream?service=${encodeURIComponent(name)}&tail=${TAIL}`, (kind, line) => {
    if (kind !== "line") return;
    if (paused) {
      held.push(line);
      // What is dropped here is still in the files.
      if (held.length > LINES_MAX) held = held.slice(-LINES_MAX);
      text(note, `Paused; ${format.count(held.length, "new line")} waiting.`);
      return;
    }
    if (!queue.length) requestAnimationFrame(flush);
    queue.push(line);
  }, (state, detail) => {
    // The node sends the tail again after a new connection: begin anew instead of showing it twice.
    if (state === "lost") fresh = true;
    if (state === "open" && fresh) { list.replaceChildren(); fresh = false; }
    text(note, state === "lost" ? "The stream broke; trying again." : state === "refused" ? detail : paused ? "Paused." : "");
  });

  function flush() {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    list.append(...queue.map(make));
    queue = [];
    while (list.childElementCount > LINES_MAX) list.firstElementChild.remove();
    empty.hidden = list.childElementCount > 0;
    // Who has scrolled up is reading: leave the place alone.
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  function make(line) {
    const row = h("div.line", { "data-stream": line.stream },
      h("time", {}, format.time(line.time_unix_ms)), h("b", {}, line.replica), h("span", {}, line.text));
    row.hidden = !fits(row);
    return row;
  }

  function fits(row) {
    const wanted = filter.value.toLowerCase();
    const only = errors.getAttribute("aria-pressed") === "true";
    return (!only || row.dataset.stream === "stderr") && (!wanted || row.textContent.toLowerCase().includes(wanted));
  }

  function apply() {
    for (const row of list.children) row.hidden = !fits(row);
    list.scrollTop = list.scrollHeight;
  }

  function pause() {
    paused = !paused;
    set(pauseButton, "aria-pressed", String(paused));
    text(pauseButton, paused ? "Resume" : "Pause");
    text(note, paused ? "Paused." : "");
    if (!paused && held.length) {
      queue.push(...held);
      held = [];
      flush();
    }
  }
  return { element, pause, focus: () => filter.focus(), close: () => stream.close() };
}
