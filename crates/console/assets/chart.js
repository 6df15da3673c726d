// Small charts of the last minutes: one or two lines, a scale that starts at zero, and the value
// under the pointer.

import { h, s, set, text, fill } from "/assets/dom.js";
import { time } from "/assets/format.js";

const HEIGHT = 96;
const TOP = 8;
const BOTTOM = 78;

/**
 * `options`: title, format(value), lines: [{ name, tone, of(point) }], binary: whether the scale
 * has powers of two.
 * `update(history, minutes)` draws; gaps stay gaps.
 */
export function chart(options) {
  const several = options.lines.length > 1;
  const now = options.lines.map(() => h("span"));
  const legend = h("span.legend", {}, ...options.lines.map((line, index) =>
    h("span", { "data-tone": line.tone }, several ? h("i", { "aria-hidden": "true" }) : null, now[index])));
  const plot = s("svg.plot", { role: "img", height: HEIGHT, width: "100%" });
  const tip = h("div.tip", { hidden: true });
  const element = h("figure.chart", {},
    h("figcaption", {}, h("b", {}, options.title), legend),
    h("div.canvas", {}, plot, tip));
  let drawn = null;

  plot.addEventListener("pointermove", (event) => point(event.offsetX));
  plot.addEventListener("pointerleave", () => { tip.hidden = true; mark(null); });
  new ResizeObserver(() => drawn && draw(drawn)).observe(element);

  function update(history, minutes) {
    const points = history?.series[0]?.points ?? [];
    const step = history?.step_ms || 5000;
    const slots = Math.round((minutes * 60_000) / step);
    drawn = { points: points.slice(-slots), slots, step, end: history?.end_unix_ms ?? Date.now(), minutes };
    draw(drawn);
  }

  function values(line) {
    return drawn.points.map((point) => (point ? line.of(point) ?? null : null));
  }

  function draw({ points, slots, end, step, minutes }) {
    const width = plot.clientWidth || 300;
    set(plot, "viewBox", `0 0 ${width} ${HEIGHT}`);
    const all = options.lines.map(values);
    const top = nice(options.binary, Math.max(0, ...all.flat().filter((value) => value !== null)));
    const x = (index) => ((slots - points.length + index + 0.5) / slots) * width;
    const y = (value) => BOTTOM - (value / top) * (BOTTOM - TOP);
    const parts = [
      s("line.grid", { x1: 0, x2: width, y1: TOP, y2: TOP }),
      s("line.grid", { x1: 0, x2: width, y1: (TOP + BOTTOM) / 2, y2: (TOP + BOTTOM) / 2 }),
      s("line.base", { x1: 0, x2: width, y1: BOTTOM, y2: BOTTOM }),
    ];
    options.lines.forEach((line, index) => {
      const path = trace(all[index], x, y);
      if (index === 0) parts.push(s("path.area", { d: area(all[index], x, y), "data-tone": line.tone }));
      parts.push(s("path.line", { d: path, "data-tone": line.tone }));
    });
    parts.push(s("text.scale", { x: 2, y: TOP + 10 }, options.format(top)));
    parts.push(s("text.scale", { x: 2, y: HEIGHT - 4 }, `${minutes} min ago`));
    parts.push(s("text.scale", { x: width - 2, y: HEIGHT - 4, "text-anchor": "end" }, time(end)));
    parts.push(s("line.cross", { y1: TOP, y2: BOTTOM, visibility: "hidden" }));
    fill(plot, ...parts);
    drawn.x = x;
    options.lines.forEach((line, index) =>
      text(now[index], `${several ? `${line.name} ` : ""}${options.format(all[index].at(-1) ?? null)}`));
    const peak = options.lines.map((line, index) =>
      `${line.name}: now ${options.format(all[index].at(-1) ?? null)}, highest ${options.format(highest(all[index]))}`);
    set(plot, "aria-label", `${options.title}, last ${minutes} minutes. ${peak.join("; ")}.`);
    drawn.end = end;
    drawn.step = step;
  }

  function point(at) {
    if (!drawn?.points.length) return;
    const width = plot.clientWidth;
    const first = drawn.slots - drawn.points.length;
    const index = Math.min(drawn.points.length - 1, Math.max(0, Math.round((at / width) * drawn.slots - 0.5) - first));
    const when = drawn.end - (drawn.points.length - 1 - index) * drawn.step;
    const rows = options.lines.map((line) => `${line.name} ${options.format(values(line)[index])}`);
    text(tip, `${time(when)}\n${rows.join("\n")}`);
    tip.hidden = false;
    const x = drawn.x(index);
    const left = x > width / 2 ? x - tip.offsetWidth - 8 : x + 8;
    tip.style.transform = `translate(${Math.round(left)}px, 4px)`;
    mark(x);
  }

  function mark(x) {
    const cross = plot.querySelector(".cross");
    if (!cross) return;
    set(cross, "visibility", x === null ? "hidden" : "visible");
    if (x !== null) { set(cross, "x1", x); set(cross, "x2", x); }
  }

  return { element, update };
}

/** A line through `values` in a small box, without scale: for a glance. */
export function spark(points, of) {
  const width = 96;
  const height = 26;
  const values = points.map((point) => (point ? of(point) ?? null : null));
  const top = Math.max(1e-9, ...values.filter((value) => value !== null));
  const slots = Math.max(2, values.length);
  const x = (index) => ((slots - values.length + index + 0.5) / slots) * width;
  const y = (value) => height - 2 - (value / top) * (height - 4);
  return s("svg.spark", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true", preserveAspectRatio: "none" },
    s("path.area", { d: area(values, x, y, height) }), s("path.line", { d: trace(values, x, y) }));
}

function trace(values, x, y) {
  let path = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (value === null) { pen = "M"; return; }
    path += `${pen}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
  });
  return path;
}

function area(values, x, y, floor = BOTTOM) {
  let path = "";
  let run = [];
  const end = () => {
    if (run.length > 1) {
      const [first, last] = [run[0], run.at(-1)];
      path += `M${x(first).toFixed(1)} ${floor}` +
        run.map((index) => `L${x(index).toFixed(1)} ${y(values[index]).toFixed(1)}`).join("") +
        `L${x(last).toFixed(1)} ${floor}Z`;
    }
    run = [];
  };
  values.forEach((value, index) => { if (value === null) end(); else run.push(index); });
  end();
  return path;
}

function highest(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? Math.max(...known) : null;
}

/** The next round number at or above `value`: 1, 2, 5, 10, … or 1, 2, 4, 8, … */
function nice(binary, value) {
  if (value <= 0) return 1;
  if (binary) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((bound) => bound >= value * 0.999);
}
