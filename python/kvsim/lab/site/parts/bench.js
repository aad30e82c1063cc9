// What the benches of all three parts share: their instruments, and runs that a newer one overtakes.

/** @typedef {import("../engine.js").Engine} Engine */
/** @typedef {import("../engine.js").Run} Run */
/** @typedef {import("../engine.js").Frontier} Frontier */
/** @typedef {import("../controls.js").Controls} Controls */
/** @typedef {"light" | "dark"} Theme */
/**
 * @typedef {{
 *   lab: any, where: {part: string, track: string}, engine: Engine, controls: Controls,
 *   place: HTMLElement, theme: Theme, ledger: import("../ledger.js").Ledger,
 *   shown: (state: Shown) => void, say: (text: string) => void,
 * }} Stage
 * @typedef {{run: Run, before: Run | null, frontier?: Frontier | null, load?: Run | null}} Shown
 */

export class Bench {
  /** @type {Array<{update: (data: any, changes?: any) => Promise<void>, destroy: () => void}>} */
  instruments = [];
  /** @type {Run | null} */
  run = null;
  /** @type {Run | null} */
  before = null;

  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
  }

  /** Begins, once the prediction is locked. @returns {Promise<void>} */
  async start() {}

  /** The controls were moved. */
  changed() {}

  /** @param {Theme} theme */
  setTheme(theme) {
    this.stage.theme = theme;
  }

  destroy() {
    for (const instrument of this.instruments) instrument.destroy();
    this.instruments = [];
  }

  /**
   * Awaits runs; that a newer one took their place is no failure, anything else is told.
   * @param {() => Promise<void>} work
   */
  async guarded(work) {
    try {
      await work();
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      const message = error instanceof Error ? error.message : String(error);
      this.stage.say(`The engine could not run this: ${message}`);
    }
  }

  /** @param {Run} run */
  keep(run) {
    this.before = this.run;
    this.run = run;
  }
}
