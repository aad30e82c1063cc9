// The knobs of a lab. What a knob may be set to is in course.json; unit, bounds, default and
// explanation are the engine's own, from its field table.

import { h, replace } from "./dom.js";

/** @typedef {import("./engine.js").Field} Field */
/**
 * @typedef {{
 *   id: string, label: string, path: string, field?: string, widget: "range" | "positions" | "choice",
 *   min?: number, max?: number, step?: number,
 *   positions?: Array<{label: string, value: any}>,
 *   also?: Record<string, Record<string, any>>, needs?: Record<string, string[]>,
 * }} Control also: what a position sets besides; needs: positions of other knobs without which this
 *   one has no meaning and leaves the scenario as it is
 */

/** @param {any} scenario @param {string} path */
export function getPath(scenario, path) {
  return path.split(".").reduce((node, part) => node?.[part], scenario);
}

/** @param {any} a @param {any} b @returns {boolean} a equal to b, as far as b says */
function covers(a, b) {
  if (b === null || typeof b !== "object") return a === b || (b === null && a === undefined);
  return a !== null && typeof a === "object" && Object.entries(b).every(([k, v]) => covers(a[k], v));
}

export class Controls {
  /** @type {Map<string, number>} value of a range, index of a position */
  #values = new Map();
  /** @type {Map<string, number>[]} */
  #past = [];
  /** @type {Map<string, () => void>} */
  #redraw = new Map();

  /**
   * @param {Control[]} controls
   * @param {any} base the lab's scenario, which says where every knob starts
   * @param {Readonly<Record<string, Field>>} fields
   * @param {() => void} changed
   */
  constructor(controls, base, fields, changed) {
    this.controls = controls;
    this.fields = fields;
    this.changed = changed;
    for (const control of controls) this.#values.set(control.id, this.#start(control, base));
    this.start = new Map(this.#values);
  }

  /** @param {Control} control @param {any} base */
  #start(control, base) {
    const value = getPath(base, control.path);
    if (control.widget === "range") return Number(value);
    const at = (control.positions ?? []).findIndex((p) => covers(value ?? null, p.value));
    if (at < 0) throw new Error(`${control.id}: the scenario's value is at no position`);
    return at;
  }

  /** Dotted paths and values of the setting. @returns {Record<string, any>} */
  settings() {
    /** @type {Record<string, any>} */
    const out = {};
    const active = this.controls.filter((control) => this.#applies(control));
    for (const control of active) {
      out[control.path] = control.widget === "range" ? this.#values.get(control.id) : this.#position(control).value;
    }
    for (const control of active) {
      if (control.also) Object.assign(out, control.also[this.#position(control).label]);
    }
    return out;
  }

  /** @param {Control} control */
  #position(control) {
    return /** @type {any} */ (control.positions)[this.#values.get(control.id) ?? 0];
  }

  /** Whether a knob has a meaning beside the others' positions. @param {Control} control @returns {boolean} */
  #applies(control) {
    return Object.entries(control.needs ?? {}).every(([id, labels]) => labels.includes(this.label(id) ?? ""));
  }

  /** What each knob shows. @returns {Record<string, string>} */
  knobs() {
    return Object.fromEntries(this.controls.filter((c) => this.#applies(c)).map((c) => [c.label, this.text(c)]));
  }

  /** @param {string} id */
  label(id) {
    const control = this.controls.find((c) => c.id === id);
    return control ? this.text(control) : undefined;
  }

  /** @param {Control} control */
  text(control) {
    if (control.widget !== "range") return this.#position(control).label;
    const unit = this.fields[control.path]?.unit ?? "";
    return `${this.#values.get(control.id)}${unit ? ` ${unit}` : ""}`;
  }

  /** @param {string} id @param {number} value */
  set(id, value) {
    if (this.#values.get(id) === value) return;
    this.#past.push(new Map(this.#values));
    this.#values.set(id, value);
    for (const redraw of this.#redraw.values()) redraw();
    this.changed();
  }

  undo() {
    const past = this.#past.pop();
    if (past) this.#restore(past);
  }

  reset() {
    this.#past.push(new Map(this.#values));
    this.#restore(this.start);
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  /** @param {Map<string, number>} values */
  #restore(values) {
    this.#values = new Map(values);
    for (const redraw of this.#redraw.values()) redraw();
    this.changed();
  }

  /** @param {Control} control */
  element(control) {
    return control.widget === "choice" ? this.#choice(control) : this.#slider(control);
  }

  /** @param {Control} control */
  #slider(control) {
    const range = control.widget === "range";
    const id = `knob-${control.id}`;
    const last = (control.positions?.length ?? 1) - 1;
    const input = h("input", {
      type: "range", id, min: range ? control.min : 0, max: range ? control.max : last,
      step: range ? control.step : 1, "aria-describedby": `${id}-doc`,
    });
    const shown = h("output", { for: id });
    const need = this.#need(control);
    const draw = () => {
      input.value = String(this.#values.get(control.id));
      input.setAttribute("aria-valuetext", this.text(control));
      replace(shown, this.text(control));
      input.disabled = !this.#applies(control);
      need.hidden = !input.disabled;
    };
    input.addEventListener("input", () => this.set(control.id, Number(input.value)));
    this.#redraw.set(control.id, draw);
    draw();
    const ends = range
      ? [String(control.min), String(control.max)]
      : [control.positions?.[0].label ?? "", control.positions?.[last].label ?? ""];
    return h("div", { class: "knob" },
      h("div", { class: "knob-head" }, h("label", { for: id }, control.label), shown),
      input,
      h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, ends[0]), h("span", {}, ends[1])),
      need, this.#doc(control, id));
  }

  /** @param {Control} control */
  #need(control) {
    const needs = Object.entries(control.needs ?? {}).map(([id, labels]) =>
      `${this.controls.find((c) => c.id === id)?.label}: ${labels.join(" or ")}`);
    return h("p", { class: "need" }, `Has no effect unless ${needs.join(", ")}.`);
  }

  /** @param {Control} control */
  #choice(control) {
    const id = `knob-${control.id}`;
    const inputs = (control.positions ?? []).map((_, i) =>
      h("input", { type: "radio", name: id, id: `${id}-${i}`, value: i,
        onchange: () => this.set(control.id, i) }));
    const need = this.#need(control);
    const draw = () => {
      need.hidden = this.#applies(control);
      inputs.forEach((input, i) => {
        input.checked = i === this.#values.get(control.id);
        input.disabled = !need.hidden;
      });
    };
    this.#redraw.set(control.id, draw);
    draw();
    return h("fieldset", { class: "knob", id, "aria-describedby": `${id}-doc` },
      h("legend", {}, control.label),
      h("div", { class: "choices" }, inputs.map((input, i) =>
        h("label", { class: "chip" }, input, h("span", {}, control.positions?.[i].label)))),
      need, this.#doc(control, id));
  }

  /** The engine's own words on the field. @param {Control} control @param {string} id */
  #doc(control, id) {
    const path = control.field ?? control.path;
    const field = this.fields[path];
    if (!field) return h("p", { class: "doc", id: `${id}-doc` }, path);
    const unit = field.unit ? ` ${field.unit}` : "";
    const bounds = field.choices.length
      ? `one of ${field.choices.join(", ")}`
      : field.min !== null || field.max !== null
        ? `${field.min ?? "any"} to ${compact(field.max)}${unit}`
        : "";
    const usual = field.default === null || typeof field.default === "object" ? "" : `, default ${field.default}`;
    return h("p", { class: "doc", id: `${id}-doc` },
      `${field.doc} `, h("span", { class: "path" }, path), bounds ? ` (engine: ${bounds}${usual})` : "");
  }
}

/** @param {number | null} value */
function compact(value) {
  if (value === null) return "any";
  return value >= 1e5 ? Number(value.toPrecision(2)).toExponential().replace("e+", "e") : String(value);
}
