// Math peeks: a formula, this run's numbers put in, and where simulation and formula differ and why.

import { h, replace, table } from "../dom.js";
import { allReduce } from "./all_reduce.js";
import { cost } from "./cost.js";
import { fanOut } from "./fan_out.js";
import { kvBytes } from "./kv_bytes.js";
import { mm1 } from "./mm1.js";
import { speculation } from "./speculation.js";
import { ttftTpot } from "./ttft_tpot.js";

/** @typedef {import("../parts/bench.js").Shown} Shown */
/** @typedef {import("../page.js").Context} Context */
/**
 * A row: what it is, and its value (made by `number`, so that it names its run) or words.
 * @typedef {[string, import("../dom.js").Child]} Row
 * @typedef {{
 *   id: string, title: string, formula: () => Element[], where: string,
 *   rows: (state: Shown, context: Context, lab: any) => Promise<Row[]>, why: string,
 * }} Peek
 */

/** @type {Peek[]} */
const ALL = [mm1, ttftTpot, allReduce, fanOut, kvBytes, speculation, cost];

/**
 * The toggles of a lab.
 * @param {string[]} ids
 * @param {Context} context
 * @param {any} lab
 */
export function peeks(ids, context, lab) {
  /** @type {Shown | null} */
  let latest = null;
  const parts = ids.map((id) => {
    const peek = ALL.find((p) => p.id === id);
    if (!peek) throw new Error(`peeks: no ${id}`);
    const numbers = h("div", { "data-results": true });
    const toggle = h("details", { class: "peek", id: `peek-${id}` },
      h("summary", {}, peek.title), peek.formula(), h("p", { class: "hint" }, peek.where), numbers,
      h("p", {}, h("strong", {}, "Where they differ: "), peek.why));
    const draw = async () => {
      if (!latest || !toggle.open) return;
      const state = latest;
      try {
        const rows = await peek.rows(state, context, lab);
        if (state === latest) replace(numbers, table("With this run's numbers", ["Quantity", "Value"], rows));
      } catch (error) {
        replace(numbers, h("p", { class: "problem" }, error instanceof Error ? error.message : String(error)));
      }
    };
    toggle.addEventListener("toggle", () => void draw());
    return { toggle, draw };
  });
  return {
    element: h("div", { class: "peeks" }, parts.map((p) => p.toggle)),
    /** @param {Shown} state */
    update(state) {
      latest = state;
      for (const { draw } of parts) void draw();
    },
  };
}
