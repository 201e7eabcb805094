import { h, icon, setAttribute } from "./dom.js";

let count = 0;

/**
 * A modal dialog with a heading and a close button. The browser keeps the focus inside, closes it on Esc and gives the
 * focus back afterwards.
 *
 * @param {string} title
 * @param {import("./dom.js").Child[]} children
 */
export function makeModal(title, children) {
  count += 1;
  const headingId = `dialog-title-${count}`;
  const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"));
  const dialog = h(
    "dialog",
    { "aria-labelledby": headingId },
    h("header", { class: "dialog-head" }, h("h2", { id: headingId }, title), close),
    ...children,
  );
  // a click beside the dialog lands on the dialog element itself: its content fills the rest
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}

/**
 * A labelled input with a line of help or error below it.
 *
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement} input
 * @param {string} [help]
 */
export function field(label, input, help) {
  count += 1;
  input.id ||= `field-${count}`;
  const note = help ? h("p", { class: "help", id: `${input.id}-help` }, help) : null;
  if (note) setAttribute(input, "aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, note);
}

/** A place for the error of a form: spoken when it fills, gone when it is empty. @param {string} testId */
export function errorLine(testId) {
  const words = h("span");
  const line = h("p", { class: "form-error", role: "alert", "data-testid": testId, hidden: true }, icon("suspicious"), words);
  return {
    element: line,
    /** @param {string} text "" takes it away */
    show(text) {
      line.hidden = text === "";
      words.textContent = text;
    },
  };
}
