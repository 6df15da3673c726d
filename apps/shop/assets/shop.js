// Winding Lane: addresses, calls to the shop's programs, and what every page shares.
import { views } from "./views.js";

const main = document.getElementById("main");
const routes = [
  [/^\/$/, views.home],
  [/^\/search$/, views.search],
  [/^\/product\/([a-z0-9-]+)$/, views.product],
  [/^\/cart$/, views.cart],
  [/^\/checkout$/, views.checkout],
  [/^\/order\/([A-Za-z0-9-]+)$/, views.order],
  [/^\/orders$/, views.orders],
  [/^\/account$/, views.account],
];

/** Builds an element; text is always text, never markup. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child != null && child !== false) element.append(child);
  }
  return element;
}

/** One call to the shop. Answers `{ ok, status, body }`; a silent network is status 0. */
export async function call(method, path, body) {
  const options = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    const response = await fetch(path, options);
    const version = response.headers.get("shop-version");
    if (version) {
      const replica = response.headers.get("shop-replica");
      document.getElementById("served").textContent = `${path.split("/")[2]} answered: version ${version}, ${replica}`;
    }
    const text = await response.text();
    let parsed = null;
    try { parsed = text ? JSON.parse(text) : null; } catch { /* an error page of something in between */ }
    return { ok: response.ok, status: response.status, body: parsed };
  } catch {
    return { ok: false, status: 0, body: null };
  }
}

/** A sentence for people about an answer that was not good. */
export function why(answer) {
  if (answer.status === 0) return "The shop does not answer. Try again in a moment.";
  return answer.body?.detail || `The shop answered ${answer.status}.`;
}

export const money = (cents) =>
  (cents / 100).toLocaleString("en", { style: "currency", currency: "EUR" });

const random = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
export const reference = random;

/** This browser's cart; its id is random and stays in this browser. */
export function cartId() {
  let id = localStorage.getItem("cart");
  if (!id) localStorage.setItem("cart", (id = random()));
  return id;
}

export async function showCount() {
  const answer = await call("GET", `/api/cart/${cartId()}`);
  if (!answer.ok) return;
  const count = answer.body.items.reduce((sum, item) => sum + item.quantity, 0);
  document.getElementById("count").textContent = count;
}

export async function setQuantity(product, quantity) {
  const answer = await call("PUT", `/api/cart/${cartId()}/items/${product}`, { quantity });
  if (!answer.ok) toast(why(answer));
  await showCount();
  return answer.ok;
}

export async function addToCart(product) {
  const answer = await call("GET", `/api/cart/${cartId()}`);
  if (!answer.ok) return toast(why(answer));
  const line = answer.body.items.find((item) => item.product.id === product.id);
  if (await setQuantity(product.id, (line?.quantity ?? 0) + 1)) toast(`${product.name} is in your cart`);
}

let toastTimer;
export function toast(text) {
  const element = document.getElementById("toast");
  element.textContent = text;
  element.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => element.classList.remove("shown"), 3000);
}

let me = null;
export const user = () => me;
export function setUser(found) {
  me = found;
  document.getElementById("account").textContent = found ? found.name : "Log in";
}

export function go(path) {
  history.pushState(null, "", path);
  draw();
  scrollTo(0, 0);
}

let drawing = 0;
export async function draw(keepFocus = false) {
  const mine = ++drawing;
  const url = new URL(location.href);
  let page = h("p", { class: "note" }, "There is no such page. ", h("a", { href: "/" }, "Back to the shop"));
  for (const [pattern, view] of routes) {
    const match = url.pathname.match(pattern);
    if (match) {
      try { page = await view(match[1], url.searchParams); } catch (error) { page = h("p", { class: "note bad" }, String(error.message || error)); }
      break;
    }
  }
  if (mine !== drawing) return; // a later click was faster
  main.replaceChildren(page);
  const title = main.querySelector("h1")?.textContent;
  document.title = title ? `${title} · Winding Lane` : "Winding Lane";
  if (!keepFocus) main.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/']");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", () => draw());
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = new FormData(event.target).get("q").trim();
  go(words ? `/search?q=${encodeURIComponent(words)}` : "/");
});

const answer = await call("GET", "/api/users/me");
if (answer.ok) setUser(answer.body);
await draw(true);
showCount();
