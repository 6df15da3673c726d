// The live picture: clients → routes → services → replicas, with requests flowing along the edges.
//
// Built anew only when something comes or goes; otherwise its texts and widths are updated in
// place, so that the flow does not stutter and the focus stays where it is.

import { h, s, set, text, fill } from "/assets/dom.js";
import { NONE, bytes, cpu, errorShare, micros, percent, rate, state, tone } from "/assets/format.js";

const NARROW_PX = 900;
const REPLICAS_MAX = 10;
const SERVICE = { height: 68, gap: 16 };
const ROUTE = { height: 40, gap: 8 };
const REPLICA = { height: 24, gap: 4 };
const HEAD = 26;
// A share of errors from which an edge is drawn as failing.
const FAILING = 0.01;

/** The picture as an element and a function that shows a state. */
export function picture() {
  const drawing = s("svg.picture", { role: "group", width: "100%",
    "aria-label": "Live picture of the traffic from clients over routes and services to replicas. The tables below hold the same figures." });
  const element = h("div.picture-box", {}, drawing);
  const seen = new Set();
  let parts = null;
  let signature = "";
  let shown = null;
  new ResizeObserver(() => shown && update(shown)).observe(element);

  function update(live) {
    shown = live;
    const width = element.clientWidth;
    if (!width) return;
    const model = read(live, seen);
    const now = JSON.stringify([width, model.services.map((service) =>
      [service.name, service.shown.map((replica) => replica.id), service.routes.map((route) => route.name), service.more]),
      model.loose.map((route) => route.name)]);
    if (now !== signature) {
      signature = now;
      const focused = document.activeElement?.getAttribute?.("href");
      parts = width < NARROW_PX ? narrow(drawing, model, width) : wide(drawing, model, width);
      if (focused && element.contains(document.activeElement) === false) {
        drawing.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      }
    }
    refresh(parts, model);
  }
  return { element, update };
}

/** Puts status and rates together. */
function read({ status, sample }, seen) {
  const rates = (pairs) => new Map(pairs);
  const routes = rates(sample.routes);
  const services = rates(sample.services);
  const endpoints = rates(sample.endpoints);
  for (const [name, traffic] of sample.routes) if (traffic.requests_per_s > 0) seen.add(name);
  const known = new Set(status.routes.map((route) => route.name));
  const of = (route) => ({ ...route, traffic: routes.get(route.name) ?? null });
  // Traffic that came by no configured route: from service to service, or to nowhere.
  const inner = [...seen].filter((name) => !known.has(name)).sort();
  const service = (given) => ({
    ...given,
    traffic: services.get(given.name) ?? null,
    routes: [
      ...status.routes.filter((route) => route.to === given.name).map(of),
      ...inner.filter((name) => name === `door:${given.name}`).map((name) =>
        of({ name, inner: true, path: "from other services", to: given.name })),
    ],
    shown: given.replicas.slice(0, REPLICAS_MAX).map((replica) =>
      ({ ...replica, traffic: endpoints.get(replica.id) ?? null })),
    more: Math.max(0, given.replicas.length - REPLICAS_MAX),
  });
  const all = status.services.map(service);
  const placed = new Set(all.flatMap((one) => one.routes.map((route) => route.name)));
  const loose = [
    ...status.routes.filter((route) => !placed.has(route.name)).map(of),
    ...inner.filter((name) => name === "").map((name) => of({ name, path: "no route: 404", to: "" })),
  ];
  return { services: all, loose, total: sample.total, connections: sample.connections };
}

/** Four columns. Returns the functions that update them. */
function wide(drawing, model, width) {
  const clients = { x: 0, width: 112 };
  const route = { width: Math.round(Math.min(230, width * 0.19)) };
  const service = { width: Math.round(Math.min(250, width * 0.22)) };
  const replica = { width: Math.round(Math.min(300, width * 0.27)) };
  const gap = (width - clients.width - route.width - service.width - replica.width) / 3;
  route.x = clients.width + gap;
  service.x = route.x + route.width + gap;
  replica.x = width - replica.width;

  const edges = s("g.edges");
  const nodes = s("g.nodes");
  const updates = [];
  let y = HEAD;
  const routeEnds = [];
  for (const item of model.services) {
    const routesHeight = item.routes.length * (ROUTE.height + ROUTE.gap) - ROUTE.gap;
    const rows = item.shown.length + (item.more ? 1 : 0);
    const replicasHeight = rows * (REPLICA.height + REPLICA.gap) - REPLICA.gap;
    const block = Math.max(SERVICE.height, routesHeight, replicasHeight);
    const middle = y + block / 2;
    updates.push(serviceCard(nodes, item, service.x, middle - SERVICE.height / 2, service.width));
    item.routes.forEach((one, index) => {
      const top = middle - routesHeight / 2 + index * (ROUTE.height + ROUTE.gap);
      updates.push(routeCard(nodes, one, item.name, route.x, top, route.width));
      const at = top + ROUTE.height / 2;
      if (!one.inner) routeEnds.push([one.name, at]);
      updates.push(edge(edges, [route.x + route.width, at], [service.x, middle],
        (now) => now.route(one.name)));
    });
    item.shown.forEach((one, index) => {
      const top = middle - replicasHeight / 2 + index * (REPLICA.height + REPLICA.gap);
      updates.push(replicaChip(nodes, one, replica.x, top, replica.width));
      updates.push(edge(edges, [service.x + service.width, middle],
        [replica.x, top + REPLICA.height / 2], (now) => now.replica(one.id)));
    });
    if (item.more) {
      const top = middle - replicasHeight / 2 + item.shown.length * (REPLICA.height + REPLICA.gap);
      nodes.append(s("text.muted", { x: replica.x + 10, y: top + 16 }, `and ${item.more} more`));
    }
    if (!item.shown.length) {
      nodes.append(s("text.muted", { x: replica.x + 10, y: middle + 4 }, "no replica"));
    }
    y += block + SERVICE.gap;
  }
  for (const one of model.loose) {
    updates.push(routeCard(nodes, one, null, route.x, y, route.width));
    routeEnds.push([one.name, y + ROUTE.height / 2]);
    y += ROUTE.height + ROUTE.gap;
  }
  const height = Math.max(y, HEAD + 120);
  const middle = HEAD + (height - HEAD) / 2 - SERVICE.gap / 2;
  updates.push(clientsCard(nodes, clients.x, middle - 38, clients.width));
  for (const [name, at] of routeEnds) {
    updates.push(edge(edges, [clients.width, middle], [route.x, at], (now) => now.route(name)));
  }
  const head = (x, words, anchor = "start") => s("text.head", { x, y: 14, "text-anchor": anchor }, words);
  const columns = columnsOf(replica.x, replica.width);
  fill(drawing, edges, head(0, "Clients"), head(route.x, "Routes"), head(service.x, "Services"),
    head(replica.x, "Replicas"), head(columns.rate, "req/s", "end"), head(columns.cpu, "CPU", "end"),
    head(columns.memory, "Memory", "end"), nodes);
  set(drawing, "viewBox", `0 0 ${width} ${height}`);
  set(drawing, "height", height);
  return updates;
}

/** One column for small screens: the clients above, a line down, a card for each service. */
function narrow(drawing, model, width) {
  const edges = s("g.edges");
  const nodes = s("g.nodes");
  const updates = [clientsCard(nodes, 0, 0, width, true)];
  const x = 26;
  let y = 64;
  for (const item of model.services) {
    const height = 106;
    updates.push(edge(edges, [10, 46], [x, y + height / 2], (now) => now.service(item.name), true));
    updates.push(serviceCard(nodes, item, x, y, width - x, height));
    y += height + 10;
  }
  for (const one of model.loose) {
    updates.push(edge(edges, [10, 46], [x, y + ROUTE.height / 2], (now) => now.route(one.name), true));
    updates.push(routeCard(nodes, one, null, x, y, width - x));
    y += ROUTE.height + ROUTE.gap;
  }
  fill(drawing, edges, nodes);
  set(drawing, "viewBox", `0 0 ${width} ${y}`);
  set(drawing, "height", y);
  return updates;
}

function refresh(updates, model) {
  const services = new Map(model.services.map((service) => [service.name, service]));
  const routes = new Map([...model.services.flatMap((service) => service.routes), ...model.loose]
    .map((route) => [route.name, route]));
  const replicas = new Map(model.services.flatMap((service) => service.shown)
    .map((replica) => [replica.id, replica]));
  const now = {
    model,
    serviceItem: (name) => services.get(name),
    replicaItem: (id) => replicas.get(id),
    service: (name) => services.get(name)?.traffic,
    route: (name) => routes.get(name)?.traffic,
    replica: (id) => replicas.get(id)?.traffic,
  };
  for (const one of updates) one(now);
}

function clientsCard(nodes, x, y, width, flat = false) {
  const amount = s("text.big", { x: x + 12, y: y + (flat ? 30 : 42) });
  const unit = s("text.muted", { x: x + 12, y: y + 62 }, "");
  const title = s("text.name", { x: x + 12, y: y + 20 }, "Clients");
  if (flat) set(title, "visibility", "hidden");
  if (flat) set(unit, "y", y + 30), set(unit, "x", x + width - 12), set(unit, "text-anchor", "end");
  nodes.append(s("g", {}, s("rect.card", { x, y, width, height: flat ? 46 : 76, rx: 8 }), title, amount, unit));
  return ({ model }) => {
    text(amount, `${rate(model.total.requests_per_s)} req/s`);
    text(unit, `${model.connections.toLocaleString("en")} connections`);
  };
}

function routeCard(nodes, item, service, x, y, width) {
  const fits = Math.floor((width - 20) / 7.3);
  const shown = `${item.host ?? ""}${item.path}`;
  const name = s("text.path", { x: x + 10, y: y + 17 }, shorten(shown, fits));
  const figures = s("text.muted", { x: x + 10, y: y + 32 });
  const methods = item.methods?.length ? `${item.methods.join(" ")} ` : "";
  nodes.append(s("g", {}, s("title", {}, `${methods}${shown}${service ? ` → ${service}` : ""}`),
    s(`rect.card${item.inner ? ".inner" : ""}`, { x, y, width, height: ROUTE.height, rx: 8 }), name, figures));
  return (now) => {
    const traffic = now.route(item.name);
    const share = errorShare(traffic);
    text(figures, `${rate(traffic?.requests_per_s ?? 0)} req/s${share ? ` · ${percent(share)} errors` : ""}`);
    set(figures, "data-tone", share >= FAILING ? "bad" : null);
  };
}

function serviceCard(nodes, item, x, y, width, height = SERVICE.height) {
  const tall = height > SERVICE.height;
  const fits = Math.floor((width - 130) / 7.6);
  const dot = s("path.dot", {});
  const name = s("text.name", { x: x + 28, y: y + 22 }, shorten(item.name, Math.max(8, fits)));
  const ready = s("text.ready", { x: x + width - 12, y: y + 22, "text-anchor": "end" });
  const figures = s("text", { x: x + 12, y: y + 42 });
  const latency = s("text.muted", { x: x + 12, y: y + 58 });
  const link = s("a.service", { href: `#/service/${encodeURIComponent(item.name)}` },
    s("rect.card", { x, y, width, height, rx: 8 }), dot, name, ready, figures, latency);
  const dots = tall ? s("g") : null;
  const paths = tall ? s("text.path", { x: x + 12, y: y + 76 },
    shorten(item.routes.map((route) => route.path).join("  "), Math.floor((width - 24) / 7.3))) : null;
  if (tall) link.append(paths, dots);
  nodes.append(link);
  return (now) => {
    const one = now.serviceItem(item.name);
    const looks = tone(one.state);
    const share = errorShare(one.traffic);
    set(dot, "d", mark(looks, x + 17, y + 17));
    set(dot, "data-tone", looks);
    const count = `${one.ready}/${one.desired}`;
    text(ready, one.state === "ready" ? `${count} ready` : `${state(one.state)} ${count}`);
    set(ready, "data-tone", looks === "good" ? null : looks);
    text(figures, `${rate(one.traffic?.requests_per_s ?? 0)} req/s · ${percent(share ?? 0)} errors`);
    set(figures, "data-tone", share >= FAILING ? "bad" : null);
    text(latency, `p50 ${micros(one.traffic?.p50_us)} · p99 ${micros(one.traffic?.p99_us)}`);
    set(link, "aria-label", `${one.name}: ${state(one.state)}, ${one.ready} of ${one.desired} ready, ` +
      `${rate(one.traffic?.requests_per_s ?? 0)} requests a second, ${percent(share ?? 0)} errors`);
    if (dots) {
      fill(dots, ...one.shown.map((replica, index) =>
        s("path.dot", { d: mark(tone(replica.state), x + 17 + index * 16, y + height - 14), "data-tone": tone(replica.state) })));
    }
  };
}

function columnsOf(x, width) {
  return { rate: x + width - 126, cpu: x + width - 76, memory: x + width - 10 };
}

function replicaChip(nodes, item, x, y, width) {
  const columns = columnsOf(x, width);
  const line = y + 16;
  const dot = s("path.dot");
  const name = s("text.id", { x: x + 24, y: line }, shorten(item.id, Math.floor((width - 186) / 7)));
  const cell = (at) => s("text.cell", { x: at, y: line, "text-anchor": "end" });
  const [rates, cores, memory] = [cell(columns.rate), cell(columns.cpu), cell(columns.memory)];
  const word = s("text.cell", { x: columns.memory, y: line, "text-anchor": "end" });
  const box = s("rect.card", { x, y, width, height: REPLICA.height, rx: 6 });
  const about = s("title");
  nodes.append(s("g.replica", {}, about, box, dot, name, rates, cores, memory, word));
  return (now) => {
    const one = now.replicaItem(item.id);
    if (!one) return;
    const looks = tone(one.state);
    const failing = errorShare(one.traffic) >= FAILING;
    set(dot, "d", mark(looks, x + 13, y + 12));
    set(dot, "data-tone", looks);
    const live = one.state === "ready";
    // What is not ready says so in words instead of showing figures that mean nothing.
    text(word, live ? "" : state(one.state));
    set(word, "data-tone", looks);
    text(rates, live ? rate(one.traffic?.requests_per_s ?? 0) : "");
    set(rates, "data-tone", failing ? "bad" : null);
    text(cores, live ? cpu(one.cpu_cores) : "");
    text(memory, live ? bytes(one.resident_bytes) : "");
    text(about, `${one.id}: ${state(one.state)}${one.address ? `, ${one.address}` : ""}${one.pid ? `, process ${one.pid}` : ""}`);
  };
}

/** An edge with what flows along it; `rates(now)` gives its traffic. */
function edge(edges, [x1, y1], [x2, y2], rates, elbow = false) {
  const bend = (x2 - x1) / 2;
  const d = elbow ? `M${x1} ${y1}V${y2 - 10}Q${x1} ${y2} ${x1 + 10} ${y2}H${x2}`
    : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  const pipe = s("path.pipe", { d });
  const flow = s("path.flow", { d });
  edges.append(pipe, flow);
  return (now) => {
    const traffic = rates(now);
    const amount = traffic?.requests_per_s ?? 0;
    const share = errorShare(traffic);
    const width = 1.5 + Math.min(5, 1.7 * Math.log10(1 + amount));
    set(pipe, "stroke-width", (width + 1.5).toFixed(1));
    set(flow, "stroke-width", width.toFixed(1));
    // Few classes: a speed that changed every second would make the flow jump.
    const speed = amount <= 0 ? "none" : amount < 5 ? "slow" : amount < 50 ? "steady" : amount < 500 ? "fast" : "rush";
    set(flow, "data-speed", speed);
    set(flow, "data-tone", share >= FAILING ? "bad" : null);
  };
}

/** A shape for each tone, so that colour is not the only sign. */
function mark(looks, x, y) {
  switch (looks) {
    case "good": return `M${x - 5} ${y}a5 5 0 1 0 10 0a5 5 0 1 0-10 0Z`;
    case "bad": return `M${x} ${y - 6}L${x + 6} ${y + 5}H${x - 6}Z`;
    case "busy": return `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z`;
    default: return `M${x - 4.5} ${y - 4.5}h9v9h-9Z`;
  }
}

function shorten(value, most) {
  if (!value) return NONE;
  return value.length > most ? `${value.slice(0, Math.max(1, most - 1))}…` : value;
}
