// Talks with the node: calls, and streams that come back by themselves.

const BASE = "/api/v1";
const TOKEN = "mainspring-token";
// Live news come every second, log streams say something every 15 s.
const SILENCE_MS_MAX = 40_000;
const RETRY_MS_MAX = 10_000;

/** A refusal of the node, or no answer at all (`status` 0). */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.status = problem.status;
    this.lines = problem.lines ?? [];
  }
}

/** Asks for the token; replaced by whoever can. It resolves when it makes sense to try again. */
let askForToken = () => Promise.reject(new Error("no token"));

export function onTokenNeeded(ask) {
  let asking = null;
  askForToken = (why) => {
    asking ??= ask(why).finally(() => { asking = null; });
    return asking;
  };
}

export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

async function send(method, path, body, signal) {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.authorization = `Bearer ${token}`;
  if (method !== "GET") headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(BASE + path, {
      method, headers, signal, cache: "no-store",
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ status: 0, detail: "The node does not answer." });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ title: response.statusText }));
  if (response.status === 401) {
    await askForToken(problem.detail);
    return send(method, path, body, signal);
  }
  throw new Refused({ ...problem, status: response.status });
}

/** Calls an operation and gives its JSON. */
export async function call(method, path, body) {
  return (await send(method, path, body)).json();
}

/**
 * Follows a stream of server-sent events until `close()`.
 *
 * Not EventSource: that cannot send a token. `onMessage(kind, data, id)` for each event,
 * `onState("open" | "lost", retryMs)` when the connection changes. `path(lastId)` gives the path.
 */
export function follow(path, onMessage, onState = () => {}) {
  let closed = false;
  let controller = null;
  let lastId = null;
  let attempt = 0;
  let timer = null;

  async function run() {
    controller = new AbortController();
    const silence = () => setTimeout(() => controller.abort(), SILENCE_MS_MAX);
    let guard = silence();
    try {
      const response = await send("GET", path(lastId), null, controller.signal);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      attempt = 0;
      onState("open");
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done || closed) break;
        clearTimeout(guard);
        guard = silence();
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) dispatch(part);
      }
    } catch (error) {
      if (!closed && error instanceof Refused && error.status >= 400 && error.status < 500) {
        // It will not get better by trying again.
        closed = true;
        onState("refused", error.message);
      }
    } finally {
      clearTimeout(guard);
    }
    if (closed) return;
    attempt += 1;
    const wait = Math.min(500 * 2 ** attempt, RETRY_MS_MAX);
    onState("lost", wait);
    timer = setTimeout(run, wait);
  }

  function dispatch(block) {
    let kind = "message";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) kind = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
      else if (line.startsWith("id: ")) lastId = line.slice(4);
    }
    if (data) onMessage(kind, JSON.parse(data), lastId);
  }

  run();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      controller?.abort();
    },
  };
}
