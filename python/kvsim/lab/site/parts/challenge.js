// The CFO's challenge: halve the cost of a token without a worse P99. Cost is the price of the GPUs
// over what they produced in the run: USD an hour / tokens an hour.

import { Controls } from "../controls.js";
import { append, format, h, list, number, replace, table } from "../dom.js";
import { bindingConstraint, constraintText, metric } from "../metrics.js";

/** @typedef {import("../engine.js").Run} Run */
/** @typedef {import("./bench.js").Stage} Stage */

/** Of a run, in USD a million output tokens. @param {Run} run @param {number} usdPerGpuHour */
export function costPerMillion(run, usdPerGpuHour) {
  const rate = run.summary.output_throughput;
  const gpus = run.scenario.tensor_parallel_size * run.scenario.pipeline_parallel_size;
  return typeof rate === "number" ? (1e6 * usdPerGpuHour * gpus) / (3600 * rate) : null;
}

export class Challenge {
  /** @type {Run | null} */
  #today = null;
  /** @type {Run | null} */
  #run = null;
  #out = h("div", { "data-results": true, "aria-live": "polite" });
  #learn = h("div", { class: "reveal", hidden: true });
  #button = h("button", { type: "button", class: "primary", id: "cfo-submit", disabled: true,
    onclick: () => this.#submit() }, "Hand this setting to the CFO");

  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    const { cfo, base } = stage.lab;
    const start = structuredClone(base);
    start.workload.arrivals.concurrency = cfo.base["workload.arrivals.concurrency"];
    start.engine.num_spec_tokens = 0;
    const controls = cfo.controls.map((/** @type {any} */ c) => ({ ...c, id: `cfo-${c.id}` }));
    this.controls = new Controls(controls, start, stage.engine.fields, () => void this.#changed());
  }

  async start() {
    const { place, lab, engine, ledger, where } = this.stage;
    const { cfo } = lab;
    append(place, [h("section", { class: "cfo", "aria-labelledby": "cfo-title" },
      h("h4", { id: "cfo-title" }, "The CFO's challenge"),
      cfo.text.map((/** @type {string} */ t) => h("p", {}, t)),
      h("div", { class: "knobs" }, this.controls.controls.map((c) => this.controls.element(c))),
      this.#out, h("div", { class: "try-bar" }, this.#button), this.#learn)]);
    if (ledger.of(where.part, where.track, "challenge").length) this.#showLesson();
    [this.#today] = await engine.sweep(lab.base, [cfo.base]);
    await this.#changed();
  }

  async #changed() {
    const { lab, engine, where } = this.stage;
    try {
      [this.#run] = await engine.sweep(lab.base, [{ ...lab.cfo.base, ...this.controls.settings() }],
        { key: `${where.part}/${where.track}/cfo` });
      this.#draw();
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) {
        this.stage.say(`The engine could not run this: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  get #verdict() {
    const { cfo } = this.stage.lab;
    const [today, run] = [/** @type {Run} */ (this.#today), /** @type {Run} */ (this.#run)];
    const [was, is] = [today, run].map((r) => costPerMillion(r, cfo.price_usd_per_gpu_h));
    const guard = [today, run].map((r) => r.summary[cfo.guard.key]);
    const saved = was && is ? 1 - is / was : null;
    const cheaper = saved !== null && saved >= cfo.saving;
    const steady = typeof guard[1] === "number" && guard[1] <= (guard[0] ?? 0);
    return { was, is, saved, guard, cheaper, steady, met: cheaper && steady };
  }

  #draw() {
    if (!this.#today || !this.#run) return;
    const { cfo } = this.stage.lab;
    const [today, run] = [this.#today, this.#run];
    const v = this.#verdict;
    const row = (/** @type {string} */ label, /** @type {number | null | undefined} */ a,
      /** @type {number | null | undefined} */ b, /** @type {string} */ unit) =>
      [label, number(a, unit, today), number(b, unit, run)];
    const rows = [
      row("USD a million output tokens", v.was, v.is, "USD"),
      ...[cfo.guard.key, "p99_tpot_ms", "p99_ttft_ms", "output_throughput", "acceptance_rate"].map((key) => {
        const [label, unit] = metric(key);
        return row(label, today.summary[key], run.summary[key], unit);
      }),
    ];
    replace(this.#out, table("Today and with this setting", ["Figure", "Today", "With this setting"], rows),
      run.status === "infeasible" ? h("p", { class: "verdict missed" }, `Out of memory: ${run.reason}`) :
      h("p", { class: `verdict ${v.met ? "kept" : "missed"}` },
        v.met ? "Kept: " : "Not yet: ",
        v.cheaper ? "the cost falls by " : "the cost changes by ",
        number(v.cheaper ? v.saved : v.saved === null ? null : 0 - v.saved, "%", today, run),
        ` (asked: ${format(cfo.saving, "%")} less); ${cfo.guard.label} `,
        v.steady ? "is no worse." : "is worse."));
    this.#button.disabled = false;
  }

  #submit() {
    const { ledger, where, lab } = this.stage;
    const [today, run] = [this.#today, this.#run];
    if (!today || !run) return;
    const v = this.#verdict;
    const price = lab.cfo.price_usd_per_gpu_h;
    ledger.add("evidence", where, today, { title: "The CFO's challenge: today", binding_constraint: bindingConstraint(today),
      derived: { usd_per_million_output_tokens: v.was ?? 0, price_usd_per_gpu_h: price } });
    ledger.add("challenge", where, run, {
      title: "The CFO's challenge: handed in", knobs: this.controls.knobs(),
      binding_constraint: bindingConstraint(run), verdict: v.met ? "met" : "missed",
      ...(v.is !== null && v.saved !== null && {
        derived: { usd_per_million_output_tokens: v.is, saved: v.saved, price_usd_per_gpu_h: price } }),
    });
    this.#showLesson();
    this.stage.say(`Handed in. What binds: ${constraintText(bindingConstraint(run))}.`);
  }

  #showLesson() {
    this.#learn.hidden = false;
    replace(this.#learn, h("h4", {}, "What to take from it"), list(this.stage.lab.cfo.learn));
  }
}
