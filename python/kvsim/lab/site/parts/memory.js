// Part 3: the picture of the KV memory, and the CFO's challenge.

import { mount as mountHeatmap } from "../instruments/heatmap.js";
import { h } from "../dom.js";
import { Bench } from "./bench.js";
import { Challenge } from "./challenge.js";

export class MemoryBench extends Bench {
  /** @type {any} */
  #map = null;

  async start() {
    const { lab } = this.stage;
    this.changed();
    if (lab.cfo) await this.guarded(() => new Challenge(this.stage).start());
  }

  changed() {
    void this.guarded(async () => {
      const { lab, engine, controls, where } = this.stage;
      const [run] = await engine.sweep(lab.base, [controls.settings()], { key: `${where.part}/${where.track}` });
      this.keep(run);
      await this.#draw();
    });
  }

  async #draw() {
    const { run } = this;
    if (!run) return;
    const { place, theme } = this.stage;
    if (!this.#map) {
      const stage = h("div", { class: "stage" });
      place.prepend(stage);
      this.#map = mountHeatmap(stage, { data: run, theme });
      this.instruments = [this.#map];
      await this.#map.drawn;
    } else {
      await this.#map.update(run, { theme });
    }
    this.stage.shown({ run, before: this.before });
  }

  /** @param {"light" | "dark"} theme */
  setTheme(theme) {
    super.setTheme(theme);
    if (this.#map) void this.#draw();
  }
}
