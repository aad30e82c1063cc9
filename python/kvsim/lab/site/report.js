// The ledger's page: what it holds, as a report to print, and its way out and in.

import { download, h, number, replace, table } from "./dom.js";
import { constraintText, metric } from "./metrics.js";

/** @typedef {import("./ledger.js").Entry} Entry */
/** @typedef {import("./page.js").Context} Context */

/** @param {HTMLElement} root @param {Context} context */
export function showLedger(root, context) {
  const { ledger } = context;
  const note = h("p", { class: "hint", role: "status", id: "ledger-note" }, ledger.problem);
  const file = h("input", { type: "file", id: "import", accept: ".json,application/json", onchange: () => void read() });

  async function read() {
    const chosen = file.files?.[0];
    if (!chosen) return;
    try {
      const added = ledger.import(await chosen.text());
      draw();
      replace(note, added ? `Read ${chosen.name}: ${added} new entries.` : `Read ${chosen.name}: all its entries are here already.`);
    } catch (error) {
      replace(note, h("span", { class: "problem" }, `Refused ${chosen.name}: ${error instanceof Error ? error.message : error}`));
    }
    file.value = "";
  }

  function draw() {
    replace(root,
      h("header", { class: "lead" },
        h("p", { class: "eyebrow" }, "Ledger"),
        h("h2", { id: "title", tabindex: "-1" }, "What you predicted, saw and decided"),
        h("p", {}, "Each number stands with the run that gave it. ", h("code", {}, "kvsim replay LEDGER.json"),
          " runs the scenarios again in Python and gives the same numbers to the bit.")),
      h("div", { class: "try-bar no-print" },
        h("button", { type: "button", class: "primary", id: "export", onclick: () => download("kvsim-ledger.json", ledger.toJSON()) }, "Export as JSON"),
        h("button", { type: "button", id: "print", onclick: () => window.print() }, "Print a report"),
        h("label", { class: "button", for: "import" }, "Import", file),
        h("button", { type: "button", id: "erase", onclick: () => {
          if (confirm("Erase the whole ledger in this browser?")) { ledger.clear(); draw(); }
        } }, "Erase")),
      note, report(context));
  }
  draw();
}

/** @param {Context} context */
function report({ ledger, course }) {
  if (!ledger.entries.length) return h("p", {}, "Nothing yet. Lock a prediction in part 1, and it stands here.");
  return h("div", { class: "report", "data-results": true }, course.parts.flatMap((/** @type {any} */ part) =>
    course.tracks.map((/** @type {any} */ track) => {
      const entries = ledger.of(part.id, track.id);
      return entries.length
        ? h("section", {}, h("h3", {}, `${part.title}: ${track.name}`), entries.filter((e) => e.kind !== "evidence").map(card),
          figuresTable(entries, course.labs[part.id][track.id]))
        : null;
    })));
}

/** @param {Entry} entry */
function card(entry) {
  const p = entry.prediction;
  const source = /** @type {any} */ ({ id: entry.engine_run_id });
  return h("article", { class: "entry" },
    h("h4", {}, `${entry.kind[0].toUpperCase()}${entry.kind.slice(1)}`, entry.verdict ? `: ${entry.verdict}` : ""),
    h("p", {}, entry.title),
    p ? h("p", {}, "You answered ", h("strong", {}, p.answer), "; it is ", number(p.truth, p.unit, source), ", off by ", number(p.factor, "", source), " times.") : null,
    Object.keys(entry.knobs).length ? h("p", { class: "hint" }, Object.entries(entry.knobs).map(([k, v]) => `${k}: ${v}`).join("; ")) : null,
    entry.derived ? h("p", {}, Object.entries(entry.derived).flatMap(([k, v]) => [`${k} `, number(v, "", source), " "])) : null,
    entry.reflection?.map(({ question, answer }) => h("div", {}, h("p", { class: "hint" }, question), h("blockquote", {}, answer || "no answer"))),
    h("p", { class: "hint" }, `What binds: ${constraintText(entry.binding_constraint)}`));
}

/** @param {Entry[]} entries @param {any} lab */
function figuresTable(entries, lab) {
  const headlines = new Set([lab.metric, ...lab.readouts]);
  return table("What reproduces the numbers", ["Entry", "Figures", "Run", "Seed", "Engine", "Status"], entries.map((entry) => [
    entry.kind,
    h("span", {}, [...headlines].filter((key) => key in entry.numbers).slice(0, 4).flatMap((key, i) => {
      const [label, unit] = metric(key);
      return [i ? ", " : "", `${label} `, number(entry.numbers[key], unit, /** @type {any} */ ({ id: entry.engine_run_id }))];
    })),
    h("code", { "data-run": entry.engine_run_id }, entry.engine_run_id), h("span", { "data-run": entry.engine_run_id }, String(entry.seed)),
    h("span", { "data-run": entry.engine_run_id }, entry.version), entry.status,
  ]));
}
