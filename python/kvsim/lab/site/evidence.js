// What the page says of a run: its figures, the limits that it keeps, what binds it.

import { h, number, table } from "./dom.js";
import { bindingConstraint, constraintText, largestPart, metric } from "./metrics.js";

/** @typedef {import("./engine.js").Run} Run */
/** @typedef {import("./parts/bench.js").Shown} Shown */

/** Tables of a run and of the one before. @param {Shown} state @param {any} lab */
export function figures({ run, before, frontier, load }, lab) {
  const rows = lab.readouts.map((/** @type {string} */ key) => {
    const [label, unit] = metric(key);
    return [label, number(run.summary[key], unit, run), before ? number(before.summary[key], unit, before) : ""];
  });
  const out = [table("This run and the one before", ["Figure", "Now", "Before"], rows)];
  if (frontier) out.push(frontierFacts(frontier));
  if (load) {
    out.push(table(`The same under ${lab.load.label}`, ["Figure", "Now"], lab.load_readouts.map((/** @type {string} */ key) => {
      const [label, unit] = metric(key);
      return [label, number(load.summary[key], unit, load)];
    })));
  }
  if (run.warnings.length) out.push(h("p", { class: "hint" }, "The engine says: ", h("span", { "data-run": run.id }, run.warnings.join("; "))));
  return out;
}

/** @param {import("./engine.js").Frontier} frontier */
function frontierFacts({ capacity_per_s: capacity, capacity_run: run, knee, runs }) {
  return table("Of the frontier", ["Figure", "Value"], [
    ["Capacity", number(capacity, "/s", run)],
    ["Knee: P99 five times the lowest load's", knee ? number(knee.offered_per_s, "/s", ...runs) : "beyond the rates shown"],
    ["Knee, share of capacity", knee ? number(knee.load, "%", run, ...runs) : "none"],
  ]);
}

/** Which limits a run keeps, and what binds it. @param {Run} run @param {any} lab */
export function limits(run, lab) {
  const items = lab.limits.map((/** @type {any} */ limit) => {
    const value = run.summary[limit.key];
    const kept = typeof value === "number" && value <= limit.max;
    return h("li", { class: kept ? "kept" : "missed" }, kept ? "Kept: " : "Missed: ", `${limit.label} (`,
      typeof value === "number" ? number(value, limit.unit, run) : "no figure", ")");
  });
  const word = bindingConstraint(run);
  const latency = lab.waterfall ?? (run.scenario.fleet?.server?.kind === "one_shot" ? "e2e" : "ttft");
  const part = largestPart(run, latency);
  return [h("ul", { class: "limits" }, items),
    h("p", {}, "What binds: ", h("strong", { id: "binding", "data-run": run.id, "data-word": word }, constraintText(word)),
      run.status === "infeasible" ? [": ", h("span", { "data-run": run.id }, run.reason)] : "."),
    part ? h("p", { class: "hint" }, `The largest part of the mean ${latency === "ttft" ? "TTFT" : "latency"}: `,
      h("span", { "data-run": run.id }, constraintText(part)), ".") : null];
}
