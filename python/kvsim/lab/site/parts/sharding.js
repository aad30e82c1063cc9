// Part 2: ten tries to a target. A try runs the setting and draws its waterfall over the one before.

import { mount as mountWaterfall } from "../instruments/waterfall.js";
import { bindingConstraint, constraintText, largestPart, metric } from "../metrics.js";
import { append, fill, h, number, replace, table } from "../dom.js";
import { figures } from "../predictions.js";
import { getPath } from "../controls.js";
import { Bench } from "./bench.js";

/** @typedef {import("../engine.js").Run} Run */
/** @typedef {import("../ledger.js").Entry} Entry */

export class ShardingBench extends Bench {
  /** @type {any} */
  #split = null;
  /** @type {Run | null} */
  load = null;
  #table = h("div", { "data-results": true });
  #why = h("div", { class: "reveal", "data-results": true, hidden: true });
  #count = h("p", { class: "tries-left", "data-results": true });
  #button = h("button", { type: "button", class: "primary", id: "try", onclick: () => this.try() }, "Try this setting");

  async start() {
    const { place } = this.stage;
    append(place, [h("div", { class: "try-bar" }, this.#button, this.#count), this.#table, this.#why]);
    this.#tally();
    await this.guarded(() => this.#simulate());
  }

  get tries() {
    const { ledger, where } = this.stage;
    return ledger.of(where.part, where.track, "try");
  }

  get #won() {
    return this.tries.some((t) => t.verdict === "met");
  }

  get #over() {
    return this.#won || this.tries.length >= this.stage.lab.tries.count;
  }

  changed() {
    // When the tries are over the instruments follow the controls, as in the other parts.
    if (this.#over) void this.guarded(() => this.#simulate());
  }

  try() {
    void this.guarded(async () => {
      const { ledger, where, controls } = this.stage;
      await this.#simulate();
      if (!this.run || this.#over) return;
      const verdict = this.#verdict(this.run);
      const shown = this.stage.lab.tries.target.key;
      ledger.add("try", where, this.run, {
        title: `Try ${this.tries.length + 1}: ${metric(shown)[0]}`, knobs: controls.knobs(),
        binding_constraint: this.#binding(this.run), verdict,
      });
      this.#tally();
    });
  }

  async #simulate() {
    const { lab, engine, controls, where } = this.stage;
    const settings = { ...controls.settings(), record: "requests" };
    const points = lab.load ? [settings, { ...settings, ...lab.load.set, record: "summary" }] : [settings];
    const runs = await engine.sweep(lab.base, points, { key: `${where.part}/${where.track}` });
    this.keep(runs[0]);
    this.load = runs[1] ?? null;
    await this.#draw(this.before);
  }

  /** Where nothing waits, the largest part is what there is to shorten. @param {Run} run */
  #binding(run) {
    const word = bindingConstraint(run);
    return word === "arrivals" ? (largestPart(run, this.stage.lab.waterfall) ?? word) : word;
  }

  /** @param {Run} run */
  #verdict(run) {
    const { lab, controls } = this.stage;
    const { target, budget, requires = {} } = lab.tries;
    if (run.status === "infeasible") return "out of memory";
    if (run.status === "invalid") return "not allowed";
    if (budget && product(run, budget.product) > budget.max) return `more than ${budget.max} ${budget.label}`;
    const needs = /** @type {Record<string, string>} */ (lab.target_requires ?? {});
    const eased = Object.entries(requires).some(([path, value]) => getPath(run.scenario, path) !== value)
      || Object.entries(needs).some(([id, label]) => controls.label(id) !== label);
    if (eased) return "another task than the target's";
    return (run.summary[target.key] ?? Infinity) <= target.max ? "met" : "missed";
  }

  #tally() {
    const { lab, engine } = this.stage;
    const { tries } = this;
    const { count, target } = lab.tries;
    const rows = tries.map((entry, i) => [
      `${i + 1}`,
      Object.entries(entry.knobs).map(([label, value]) => `${label}: ${value}`).join("; "),
      stored(entry, target.key, target.unit),
      entry.verdict ?? "",
      constraintText(entry.binding_constraint),
    ]);
    replace(this.#table, tries.length
      ? table("Your tries", ["Try", "Setting", lab.metric_label, `Target ${target.max} ${target.unit}`, "What binds"], rows)
      : null);
    const left = count - tries.length;
    replace(this.#count, this.#won
      ? `Target met in try ${tries.findIndex((t) => t.verdict === "met") + 1} of ${count}. The controls are free now: the picture follows them.`
      : left > 0
        ? `${left} of ${count} tries left. What you set runs when you press the button.`
        : `No tries left. The controls are free now: the picture follows them.`);
    this.#button.hidden = this.#over;
    if (this.#over && this.#why.hidden) {
      this.#why.hidden = false;
      void this.guarded(() => this.#explain(engine));
    }
  }

  /** @param {import("../engine.js").Engine} engine */
  async #explain(engine) {
    const { lab } = this.stage;
    const { runs, text } = lab.tries.why;
    const found = await figures(lab.base, runs, engine);
    const values = Object.fromEntries(Object.entries(found).map(([name, { value, unit, run }]) =>
      [name, number(value, unit === "%-points" ? "% of the parts" : unit, run)]));
    replace(this.#why, h("h4", {}, "Why"), text.map((/** @type {string} */ t) => h("p", {}, fill(t, values))));
  }

  /** @param {Run | null} ghost */
  async #draw(ghost) {
    const { run } = this;
    if (!run) return;
    const { place, theme, lab } = this.stage;
    const target = lab.tries.target;
    const which = target.key.startsWith("mean") ? "mean" : "p99";
    const sameMeasure = target.key === `${which}_ttft_ms` || target.key === `${which}_e2el_ms`;
    /** @type {import("../instruments/waterfall.js").WaterfallOptions} */
    const options = { metric: lab.waterfall, which, limit_ms: sameMeasure ? target.max : null };
    if (!this.#split) {
      const stage = h("div", { class: "stage" });
      place.prepend(stage);
      this.#split = mountWaterfall(stage, { data: run, options, theme });
      this.instruments = [this.#split];
      await this.#split.drawn;
    } else {
      await this.#split.update(run, { ghost: ghost?.waterfalls ? ghost : null, options, theme });
    }
    this.stage.shown({ run, before: this.before, load: this.load });
  }

  /** @param {"light" | "dark"} theme */
  setTheme(theme) {
    super.setTheme(theme);
    if (this.#split) void this.#draw(this.before);
  }
}

/** @param {Run} run @param {string[]} paths */
function product(run, paths) {
  return paths.reduce((all, path) => all * getPath(run.scenario, path), 1);
}

/** A number that an earlier run gave. @param {Entry} entry @param {string} key @param {string} unit */
function stored(entry, key, unit) {
  const value = entry.numbers[key];
  if (value === undefined) return "none";
  return number(value, unit, /** @type {any} */ ({ id: entry.engine_run_id }));
}
