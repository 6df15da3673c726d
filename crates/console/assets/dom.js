// Elements without a framework: make them, and update them in place so that focus, selection and
// scroll position survive the beat of one update a second.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("a.name", { href }, "text", child…)`. Null children are left out. */
export function h(spec, attributes = {}, ...children) {
  return build(document.createElement(spec.split(".")[0]), spec, attributes, children);
}

/** The same in SVG. */
export function s(spec, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, spec.split(".")[0]), spec, attributes, children);
}

function build(element, spec, attributes, children) {
  const classes = spec.split(".").slice(1);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else set(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an attribute if it differs; null or false removes it. */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const wanted = value === true ? "" : String(value);
  if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
}

/** Sets the text if it differs, so that a selection in it survives. */
export function text(element, value) {
  const wanted = String(value);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/**
 * Makes the children of `parent` follow `items`: those with a known key are updated and moved,
 * others are made or removed. `make(item)` gives an element, `update(element, item)` fills it.
 */
export function keyed(parent, items, key, make, update) {
  const old = new Map();
  for (const child of parent.children) old.set(child.dataset.key, child);
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = old.get(name);
    old.delete(name);
    if (!element) {
      element = make(item);
      element.dataset.key = name;
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
    update(element, item);
  }
  for (const gone of old.values()) gone.remove();
}

/** Removes all children and puts others in. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}
