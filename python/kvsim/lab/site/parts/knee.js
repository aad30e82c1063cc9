// Part 1: the frontier over all rates, and the waterfall at the rate that is set.

import { RATE } from "../engine.js";
import { setPath } from "../fields.js";
import { mount as mountFrontier } from "../instruments/frontier.js";
import { mount as mountWaterfall } from "../instruments/waterfall.js";
import { h } from "../dom.js";
import { Bench } from "./bench.js";

/** @typedef {import("../engine.js").Frontier} Frontier */
/** @typedef {import("../engine.js").Run} Run */

const POINTS = 20;

export class KneeBench extends Bench {
  /** @type {Frontier | null} */
  frontier = null;
  /** @type {any} */
  #curve = null;
  /** @type {any} */
  #split = null;
  #drawn = "";
  /** @type {any} the lab's scenario with its defaults */
  #whole = null;

  async start() {
    this.changed();
  }

  changed() {
    void this.guarded(async () => {
      const { lab, engine, controls, where } = this.stage;
      const settings = controls.settings();
      const { [RATE]: _, ...others } = settings;
      const key = `${where.part}/${where.track}`;
      const shape = JSON.stringify(others);
      this.#whole ??= await engine.canonical(lab.base);
      const here = engine.simulate(changed(this.#whole, { ...settings, record: "requests" }), { key: `${key}/here` });
      if (shape !== this.#drawn) {
        const [frontier, run] = await Promise.all([
          engine.frontier(changed(this.#whole, others), { key: `${key}/frontier`, metric: lab.metric, numPoints: POINTS }),
          here,
        ]);
        this.frontier = frontier;
        this.keep(run);
        this.#drawn = shape;
      } else {
        this.keep(await here);
      }
      await this.#draw();
    });
  }

  async #draw() {
    const { run, before, frontier } = this;
    if (!run || !frontier) return;
    const options = this.#options(run, frontier);
    const { theme, place, lab } = this.stage;
    /** @type {import("../instruments/waterfall.js").WaterfallOptions} */
    const split = { metric: lab.base.fleet?.server ? "e2e" : "ttft", which: "p99" };
    if (!this.#curve) {
      const curve = h("div", { class: "stage" });
      const parts = h("div", { class: "stage" });
      place.append(h("div", { class: "stages" }, curve, parts));
      this.#curve = mountFrontier(curve, { data: frontier, options, theme });
      this.#split = mountWaterfall(parts, { data: run, options: split, theme });
      this.instruments = [this.#curve, this.#split];
      await Promise.all([this.#curve.drawn, this.#split.drawn]);
    } else {
      await Promise.all([
        this.#curve.update(frontier, { options, theme }),
        this.#split.update(run, { ghost: before, options: split, theme }),
      ]);
    }
    this.stage.shown({ run, before, frontier });
  }

  /** @param {Run} run @param {Frontier} frontier */
  #options(run, frontier) {
    const { lab } = this.stage;
    const y = run.summary[lab.metric];
    const values = frontier.runs.map((r) => r.summary[lab.metric]).filter((v) => typeof v === "number");
    const x = run.summary.request_throughput;
    const mark = typeof y === "number" && typeof x === "number"
      ? [{ name: "the rate that is set", x: [x, x], y: [Math.min(...values, y), y] }]
      : [];
    const limit = lab.limits.find((/** @type {any} */ l) => l.key === lab.metric);
    return { slo_ms: limit?.max ?? null, curves: mark };
  }

  /** @param {"light" | "dark"} theme */
  setTheme(theme) {
    super.setTheme(theme);
    if (this.#curve) void this.#draw();
  }
}

/** A copy of a scenario with fields set. @param {any} scenario @param {Record<string, any>} settings */
function changed(scenario, settings) {
  const copy = structuredClone(scenario);
  for (const [path, value] of Object.entries(settings)) setPath(copy, path, value);
  return copy;
}
