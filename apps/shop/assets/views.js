// Winding Lane: the pages. Each view answers one element.
import { addToCart, call, cartId, draw, go, h, money, reference, setQuantity, setUser, showCount, toast, user, why } from "./shop.js";

const TEST_CARDS = [
  ["4242 4242 4242 4242", "is paid at once"],
  ["4000 0000 0000 0002", "is declined"],
  ["4000 0000 0000 0044", "is paid after two seconds"],
  ["4000 0000 0000 0077", "times out; settled later"],
];
const STATUS = {
  placing: ["wait", "Being placed…"],
  paid: ["good", "Paid. Thank you!"],
  declined: ["bad", "The card was declined; nothing was charged."],
  "out-of-stock": ["bad", "Not enough left; nothing was charged."],
  failed: ["bad", "This order was not placed; nothing was charged."],
  pending: ["wait", "Your bank has not answered yet. This page will tell when it does."],
  refunding: ["wait", "The money is on its way back."],
  refunded: ["good", "Sent back. The money was returned."],
};

const picture = (product, attributes = {}) =>
  h("img", { src: `/api/catalogue/pictures/${product.id}.svg`, alt: "", loading: "lazy", ...attributes });
const failed = (answer) =>
  h("div", {}, h("p", { class: "note bad" }, why(answer)), h("button", { onclick: () => draw() }, "Try again"));
const stars = (count) =>
  h("span", { class: "stars", role: "img", "aria-label": `${count} of 5 stars` }, "★".repeat(count) + "☆".repeat(5 - count));
const day = (ms) => new Date(ms).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

function tile(product) {
  return h("li", {}, h("article", { class: "card" },
    h("a", { href: `/product/${product.id}`, tabindex: "-1", "aria-hidden": "true" }, picture(product)),
    h("div", { class: "text" },
      h("h3", {}, h("a", { href: `/product/${product.id}` }, product.name)),
      h("p", {}, product.summary),
      h("div", { class: "row" },
        h("span", { class: "price" }, money(product.price_cents)),
        product.stock > 0
          ? h("button", { class: "small", "aria-label": `Add ${product.name} to the cart`, onclick: () => addToCart(product) }, "Add")
          : h("span", { class: "soft" }, "Sold out")))));
}
const grid = (products) => h("ul", { class: "grid" }, products.map(tile));

async function home(_, query) {
  const category = query.get("category");
  const filter = category ? `?category=${encodeURIComponent(category)}` : "";
  const [products, categories] = await Promise.all([
    call("GET", `/api/catalogue/products${filter}`),
    call("GET", "/api/catalogue/categories"),
  ]);
  if (!products.ok) return failed(products);
  const chip = (name, href, current) => h("li", {}, h("a", { href, "aria-current": current ? "page" : null }, name));
  return h("div", {},
    h("h1", {}, category || "Time, well kept"),
    h("p", { class: "lead" }, "Clocks and watches that are wound by hand, tools for those who open them, and things that tell the time without any."),
    h("ul", { class: "chips", "aria-label": "Categories" },
      chip("Everything", "/", !category),
      (categories.body?.categories ?? []).map(({ name }) => chip(name, `/?category=${encodeURIComponent(name)}`, name === category))),
    grid(products.body.products));
}

async function search(_, query) {
  const words = query.get("q") ?? "";
  document.getElementById("q").value = words;
  const answer = await call("GET", `/api/catalogue/search?q=${encodeURIComponent(words)}`);
  if (!answer.ok) return failed(answer);
  const { products } = answer.body;
  return h("div", {},
    h("h1", {}, `“${words}”`),
    h("p", { class: "lead" }, products.length === 1 ? "One thing found." : `${products.length || "No"} things found.`),
    products.length ? grid(products) : h("p", {}, h("a", { href: "/" }, "See everything we have")));
}

async function product(id) {
  const answer = await call("GET", `/api/catalogue/products/${id}`);
  if (!answer.ok) return failed(answer);
  const found = answer.body;
  return h("div", {},
    h("div", { class: "two" },
      picture(found, { class: "wide", alt: found.name, loading: "eager" }),
      h("div", {},
        h("p", { class: "soft" }, h("a", { href: `/?category=${encodeURIComponent(found.category)}` }, found.category)),
        h("h1", {}, found.name),
        h("p", { class: "lead" }, found.description),
        h("p", { class: "price" }, money(found.price_cents)),
        h("p", { class: "soft" }, found.stock > 0 ? `${found.stock} in stock` : "Sold out"),
        h("button", { disabled: found.stock === 0, onclick: () => addToCart(found) }, "Add to cart"))),
    await reviews(found));
}

async function reviews(product) {
  const path = `/api/reviews/${product.id}`;
  const answer = await call("GET", path);
  const heading = h("h2", {}, "What others say");
  if (!answer.ok) {
    return h("section", {}, heading, h("p", { class: "note" }, "Reviews are resting. Everything else in the shop works without them."));
  }
  const form = h("form", { class: "panel" },
    h("h2", {}, "Your review"),
    h("label", { for: "by" }, "Name"), h("input", { id: "by", name: "name", required: true, maxlength: 60 }),
    h("label", { for: "stars" }, "Stars"),
    h("select", { id: "stars", name: "stars" }, [5, 4, 3, 2, 1].map((count) => h("option", { value: count }, `${count}`))),
    h("label", { for: "text" }, "What should others know?"),
    h("textarea", { id: "text", name: "text", rows: 3, required: true, maxlength: 1000 }),
    h("p", {}, h("button", {}, "Send")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = Object.fromEntries(new FormData(form));
    const sent = await call("POST", path, { ...data, stars: Number(data.stars) });
    if (!sent.ok) return toast(why(sent));
    toast("Thank you");
    draw();
  });
  const list = answer.body.reviews.map((review) => h("article", { class: "review" },
    h("p", {}, stars(review.stars), " ", h("strong", {}, review.name)), h("p", {}, review.text)));
  return h("section", {}, heading, h("div", { class: "two" },
    h("div", {}, list.length ? list : h("p", { class: "soft" }, "Nobody has said anything yet.")), form));
}

async function cart() {
  const answer = await call("GET", `/api/cart/${cartId()}`);
  if (!answer.ok) return failed(answer);
  const { items, total_cents: total } = answer.body;
  if (!items.length) {
    return h("div", {}, h("h1", {}, "Your cart is empty"), h("p", {}, h("a", { class: "button", href: "/" }, "Look around")));
  }
  const line = ({ product, quantity }) => h("tr", {},
    h("td", { class: "picture" }, picture(product)),
    h("td", {}, h("a", { href: `/product/${product.id}` }, product.name)),
    h("td", {}, h("input", {
      type: "number", min: 0, max: 99, value: quantity, "aria-label": `Quantity of ${product.name}`,
      onchange: async (event) => { await setQuantity(product.id, Math.trunc(Number(event.target.value)) || 0); draw(true); },
    })),
    h("td", { class: "number" }, money(product.price_cents * quantity)));
  return h("div", {}, h("h1", {}, "Your cart"),
    h("div", { class: "panel" },
      h("table", { class: "lines" },
        h("thead", {}, h("tr", {}, h("th", { class: "picture" }, ""), h("th", {}, "Goods"), h("th", {}, "Pieces"), h("th", { class: "number" }, "Price"))),
        h("tbody", {}, items.map(line)),
        h("tfoot", {}, h("tr", {}, h("td", { class: "picture" }), h("td", {}, "Together"), h("td"), h("td", { class: "number" }, money(total)))))),
    h("p", {}, h("a", { class: "button", href: "/checkout" }, "To the checkout")));
}

// The reference is made once for a page, so that sending twice places one order.
async function checkout() {
  const answer = await call("GET", `/api/cart/${cartId()}`);
  if (!answer.ok) return failed(answer);
  if (!answer.body.items.length) return cart();
  let mine = reference();
  const note = h("div", { role: "status" });
  const button = h("button", {}, `Pay ${money(answer.body.total_cents)}`);
  const card = h("input", { id: "card", name: "card", required: true, inputmode: "numeric", autocomplete: "off", value: TEST_CARDS[0][0] });
  const form = h("form", { class: "panel" }, h("h2", {}, "Where to, and how"),
    h("label", { for: "name" }, "Name"), h("input", { id: "name", name: "name", required: true, maxlength: 200, value: user()?.name ?? "" }),
    h("label", { for: "email" }, "E-mail"), h("input", { id: "email", name: "email", type: "email", required: true, value: user()?.email ?? "" }),
    h("label", { for: "card" }, "Card number"), card, note, h("p", {}, button));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    note.replaceChildren(h("p", { class: "note wait" }, "Asking your bank…"));
    const data = Object.fromEntries(new FormData(form));
    const placed = await call("POST", "/api/orders", { ...data, reference: mine, cart: cartId() });
    button.disabled = false;
    if (placed.status === 201 || placed.status === 202) {
      localStorage.setItem("last-order", mine);
      // Paid: the shop emptied the cart. Open: it must not be paid a second time.
      if (placed.status === 202) localStorage.removeItem("cart");
      showCount();
      return go(`/order/${mine}`);
    }
    note.replaceChildren(h("p", { class: "note bad" }, why(placed)));
    // A refused order is over; the next try is another one. No answer: try the same again.
    if (placed.body?.status && placed.status !== 0) mine = reference();
  });
  return h("div", {}, h("h1", {}, "Checkout"), h("div", { class: "two" }, form,
    h("div", { class: "panel" }, h("h2", {}, "Test cards"),
      h("p", { class: "soft" }, "The card network is pretended. Choose what should happen:"),
      h("ul", { class: "cards" }, TEST_CARDS.map(([number, effect]) => h("li", {},
        h("button", { type: "button", onclick: () => { card.value = number; card.focus(); } }, h("code", {}, number), h("span", {}, effect))))))));
}

async function order(id) {
  const answer = await call("GET", `/api/orders/${id}`);
  if (!answer.ok) return failed(answer);
  const found = answer.body;
  const [kind, text] = STATUS[found.status] ?? ["", found.status];
  const open = ["placing", "pending", "refunding"].includes(found.status);
  if (open) setTimeout(() => { if (location.pathname === `/order/${id}`) draw(true); }, 1500);
  const back = h("button", { class: "plain" }, "Send it back");
  back.addEventListener("click", async () => {
    back.disabled = true;
    const refunded = await call("POST", `/api/orders/${id}/refund`);
    if (!refunded.ok) toast(why(refunded));
    draw();
  });
  return h("div", {}, h("h1", {}, "Your order"),
    h("p", { class: "mono" }, found.reference),
    h("p", { class: `note ${kind}`, role: "status" }, text),
    h("div", { class: "panel" }, h("table", { class: "lines" },
      h("tbody", {}, found.lines.map((line) => h("tr", {},
        h("td", { class: "picture" }, picture({ id: line.product })),
        h("td", {}, `${line.quantity} × ${line.name}`),
        h("td", { class: "number" }, money(line.price_cents * line.quantity))))),
      h("tfoot", {}, h("tr", {}, h("td", { class: "picture" }), h("td", {}, "Together"), h("td", { class: "number" }, money(found.total_cents)))))),
    h("p", { class: "soft" }, `For ${found.name}, ${found.email}, ${day(found.created_ms)}. Taken by ${found.replica}, version ${found.version}.`),
    found.status === "paid" ? h("p", {}, back) : null);
}

async function orders() {
  const last = localStorage.getItem("last-order");
  const lastLink = last ? h("p", {}, h("a", { href: `/order/${last}` }, "The last order of this browser")) : null;
  const answer = await call("GET", "/api/orders");
  if (answer.status === 401) {
    return h("div", {}, h("h1", {}, "Orders"), lastLink,
      h("p", { class: "note" }, "Log in to see your orders here. ", h("a", { href: "/account" }, "Log in")));
  }
  if (!answer.ok) return failed(answer);
  const rows = answer.body.orders.map((found) => h("tr", {},
    h("td", {}, h("a", { href: `/order/${found.reference}` }, day(found.created_ms))),
    h("td", {}, found.lines.map((line) => `${line.quantity} × ${line.name}`).join(", ")),
    h("td", {}, found.status), h("td", { class: "number" }, money(found.total_cents))));
  return h("div", {}, h("h1", {}, "Orders"), lastLink,
    rows.length ? h("div", { class: "panel" }, h("table", { class: "lines" }, h("tbody", {}, rows)))
      : h("p", { class: "soft" }, "None yet with this account."));
}

function accountForm(title, action, fields, submit) {
  const note = h("div", { role: "status" });
  const form = h("form", { class: "panel" }, h("h2", {}, title),
    fields.map(([name, label, type]) => [
      h("label", { for: `${action}-${name}` }, label),
      h("input", { id: `${action}-${name}`, name, type, required: true, minlength: type === "password" ? 8 : null,
        autocomplete: type === "password" ? (action === "new" ? "new-password" : "current-password") : name })]),
    note, h("p", {}, h("button", {}, title)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await submit(Object.fromEntries(new FormData(form)));
    if (!answer.ok) return note.replaceChildren(h("p", { class: "note bad" }, why(answer)));
    setUser(answer.body);
    draw();
  });
  return form;
}

async function account() {
  if (user()) {
    const out = h("button", { class: "plain", onclick: async () => { await call("DELETE", "/api/users/session"); setUser(null); draw(); } }, "Log out");
    return h("div", {}, h("h1", {}, `Hello, ${user().name}`), h("p", { class: "soft" }, user().email),
      h("p", {}, h("a", { class: "button", href: "/orders" }, "Your orders"), " ", out));
  }
  return h("div", {}, h("h1", {}, "Your account"), h("div", { class: "two" },
    accountForm("Log in", "old", [["email", "E-mail", "email"], ["password", "Password", "password"]],
      (data) => call("POST", "/api/users/session", data)),
    accountForm("Open an account", "new", [["name", "Name", "text"], ["email", "E-mail", "email"], ["password", "Password, 8 or more", "password"]],
      (data) => call("POST", "/api/users", data))));
}

export const views = { home, search, product, cart, checkout, order, orders, account };
