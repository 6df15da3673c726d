// Questions and results, in the browser's own modal dialog: focus is kept inside and given back.

import { h, fill } from "/assets/dom.js";
import { Refused } from "/assets/client.js";

function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

function frame(title, ...content) {
  const heading = h("h2", { id: "dialog-title" }, title);
  return h("dialog.dialog", { "aria-labelledby": "dialog-title" }, heading, ...content);
}

/**
 * Asks before doing something, does it, and shows what came of it.
 *
 * `options`: title, text, verb, danger, field ({ label, value, min, max }), act(value) → promise
 * of { good, text }.
 */
export function confirmAndDo(options) {
  const status = h("p.result", { role: "status", hidden: true });
  const lines = h("pre.lines", { hidden: true, tabindex: "0", "aria-label": "Details" });
  const go = h(`button.button${options.danger ? ".danger" : ".primary"}`, { type: "submit" }, options.verb);
  const leave = h("button.button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const input = options.field
    ? h("input", { id: "dialog-field", type: "number", inputmode: "numeric", required: true,
        min: options.field.min, max: options.field.max, value: options.field.value })
    : null;
  const field = input
    ? h("p.field", {}, h("label", { for: "dialog-field" }, options.field.label), input)
    : null;
  const form = h("form", { method: "dialog", onsubmit: submit }, h("p", {}, options.text), field,
    status, lines, h("p.buttons", {}, leave, go));
  const dialog = frame(options.title, form);
  open(dialog);
  (input ?? leave).focus();
  input?.select();

  async function submit(event) {
    event.preventDefault();
    if (go.disabled) return;
    go.disabled = true;
    say("busy", `${options.verb}: working…`);
    try {
      const result = await options.act(input ? Number(input.value) : undefined);
      say(result.good ? "good" : "bad", result.text);
    } catch (error) {
      say("bad", error instanceof Error ? error.message : String(error));
      if (error instanceof Refused && error.lines.length) {
        lines.hidden = false;
        lines.textContent = error.lines.join("\n");
      }
    }
    go.hidden = true;
    leave.textContent = "Close";
    leave.focus();
  }

  function say(tone, message) {
    status.hidden = false;
    status.dataset.tone = tone;
    fill(status, message);
  }
}

/** Asks for the token until one is given. */
export function askToken(why) {
  return new Promise((resolve) => {
    const input = h("input", { id: "dialog-field", type: "password", autocomplete: "off", required: true });
    const form = h("form", { method: "dialog", onsubmit: () => resolve(input.value.trim()) },
      h("p", {}, why), h("p.field", {}, h("label", { for: "dialog-field" }, "Token"), input),
      h("p.buttons", {}, h("button.button.primary", { type: "submit" }, "Continue")));
    const dialog = frame("This node asks for its token", form);
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    open(dialog);
    input.focus();
  });
}

/** Lists the keyboard shortcuts: pairs of key and what it does. */
export function showShortcuts(shortcuts) {
  const rows = shortcuts.map(([key, what]) =>
    h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)));
  const close = h("button.button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = frame("Keyboard shortcuts", h("dl.shortcuts", {}, ...rows), h("p.buttons", {}, close));
  open(dialog);
  close.focus();
}
