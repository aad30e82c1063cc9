// The instruments as widgets of a notebook (anywidget). Python simulates and sends what is to be
// drawn; sliders go back as settings.

import { mount as frontier } from "./instruments/frontier.js";
import { mount as heatmap } from "./instruments/heatmap.js";
import { mount as waterfall } from "./instruments/waterfall.js";

/**
 * The part of anywidget's model that is used.
 * @typedef {{
 *   get: (name: string) => any, set: (name: string, value: any) => void, save_changes: () => void,
 *   on: (event: string, call: () => void) => void, off: (event: string, call: () => void) => void,
 * }} Model
 * @typedef {{
 *   path: string, label: string, unit: string, doc: string, values: any[],
 * }} Control
 */

const MOUNTS = /** @type {Record<string, (element: HTMLElement, given: any) => any>} */ ({
  frontier, heatmap, waterfall,
});

/**
 * @param {string} kind
 * @param {{model: Model, el: HTMLElement}} place
 * @returns {() => void} what takes it away again
 */
export function render(kind, { model, el }) {
  const panel = document.createElement("div");
  panel.className = "instrument-controls";
  const body = document.createElement("div");
  el.append(panel, body);
  const dark = globalThis.matchMedia?.("(prefers-color-scheme: dark)");
  const theme = () => {
    const chosen = model.get("theme");
    return chosen === "auto" ? (dark?.matches ? "dark" : "light") : chosen;
  };
  const given = () => ({ ghost: model.get("ghost"), options: model.get("options"), theme: theme() });
  const instrument = MOUNTS[kind](body, { data: model.get("data"), ...given() });
  const redraw = () => void instrument.update(model.get("data"), given());
  const events = ["change:data", "change:options", "change:theme"];
  for (const event of events) model.on(event, redraw);
  dark?.addEventListener("change", redraw);
  panel.append(...model.get("controls").map((/** @type {Control} */ c) => slider(c, model)));
  keepKeys(el);
  return () => {
    for (const event of events) model.off(event, redraw);
    dark?.removeEventListener("change", redraw);
    instrument.destroy();
    el.replaceChildren();
  };
}

/** Keeps JupyterLab from taking arrows, Enter and Space as its own shortcuts. @param {HTMLElement} el */
function keepKeys(el) {
  for (const part of el.querySelectorAll("input, button, summary, [tabindex]")) {
    part.setAttribute("data-lm-suppress-shortcuts", "true");
  }
}

/** @param {Control} control @param {Model} model */
function slider({ path, label, unit, doc, values }, model) {
  const row = document.createElement("label");
  const input = document.createElement("input");
  const output = document.createElement("output");
  const show = () => {
    output.textContent = `${values[input.valueAsNumber]}${unit ? ` ${unit}` : ""}`;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  Object.assign(input, { type: "range", min: "0", max: String(values.length - 1), step: "1" });
  input.valueAsNumber = Math.max(0, values.indexOf(model.get("settings")[path]));
  input.title = doc;
  input.oninput = () => {
    show();
    model.set("settings", { ...model.get("settings"), [path]: values[input.valueAsNumber] });
    model.save_changes();
  };
  show();
  const name = document.createElement("span");
  name.textContent = label;
  row.append(name, input, output);
  return row;
}
