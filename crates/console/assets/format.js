// Numbers and times as people read them: few digits, always a unit.

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false });

/** What stands where nothing is known. */
export const NONE = "–";

/** Three digits at most: 0.42, 4.2, 42, 420, 4,200. */
export function number(value) {
  if (value === null || value === undefined) return NONE;
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/** A whole number below 10, else as `number`; rates below 10 keep one digit. */
export function rate(value) {
  if (value === null || value === undefined) return NONE;
  if (value > 0 && value < 0.1) return "<0.1";
  return value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 });
}

/** A share of one in percent. */
export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return NONE;
  if (share > 0 && share < 0.001) return "<0.1 %";
  const value = share * 100;
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })} %`;
}

/** Errors as a share of requests. */
export function errorShare(rates) {
  if (!rates || rates.requests_per_s <= 0) return null;
  return rates.errors_per_s / rates.requests_per_s;
}

/** Microseconds. */
export function micros(us) {
  if (us === null || us === undefined) return NONE;
  if (us < 1000) return `${us} µs`;
  if (us < 1_000_000) return `${number(us / 1000)} ms`;
  return `${number(us / 1_000_000)} s`;
}

/** CPU cores as percent of one core, the way `top` shows them. */
export function cpu(cores) {
  if (cores === null || cores === undefined) return NONE;
  const value = cores * 100;
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })} %`;
}

/** Bytes in powers of 1024. */
export function bytes(count) {
  if (count === null || count === undefined) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toLocaleString("en", { maximumFractionDigits: unit === 0 || value >= 100 ? 0 : 1 })} ${units[unit]}`;
}

/** A length of time in at most two units. */
export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Time of day. */
export function time(unixMs) {
  return clock.format(unixMs);
}

/** Date and time. */
export function date(unixMs) {
  return full.format(unixMs);
}

/** `1 replica`, `2 replicas`. */
export function count(amount, noun) {
  return `${amount.toLocaleString("en")} ${noun}${amount === 1 ? "" : "s"}`;
}

const WORDS = {
  starting: "Starting", waiting: "Waiting", ready: "Ready", degraded: "Degraded",
  deploying: "Deploying", "crash-loop": "Crash loop", down: "Down", stopping: "Stopping",
  stopped: "Stopped", unhealthy: "Unhealthy", draining: "Draining", "backing-off": "Restarting soon",
};

/** The state of a service or replica in words. */
export function state(word) {
  return WORDS[word] ?? word;
}

/** How a state looks: `good`, `busy`, `bad` or `off`. */
export function tone(word) {
  switch (word) {
    case "ready": return "good";
    case "stopped": return "off";
    case "crash-loop": case "down": case "unhealthy": case "backing-off": return "bad";
    default: return "busy";
  }
}
