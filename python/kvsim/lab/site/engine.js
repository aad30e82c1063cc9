// The simulator in this page: the same C++ engine as the Python package's, compiled to WebAssembly,
// in as many workers as there are cores. Every number that a page shows comes from a run of it.

import { asset, assetText, unpacked } from "./assets.js";
import { checkNumbers, fieldTable, hash, ordered, setPath } from "./fields.js";
import { EngineError, Job, Pool, aborted } from "./pool.js";

/** @typedef {import("./fields.js").Field} Field */
/**
 * @typedef {{
 *   requests: number, parts_ms: Record<string, number>,
 * }} MeanParts means over so many requests; they add up to the mean latency
 */
/**
 * One run of the engine. Whatever is shown of it carries `id`.
 * @typedef {{
 *   id: string, scenario: any, seed: number, version: string,
 *   status: "ok" | "unstable" | "infeasible" | "livelock" | "invalid", reason: string,
 *   warnings: string[], summary: Record<string, number | null>,
 *   totals: Record<string, number | string>, kv_budget: Record<string, number>, trust: any,
 *   waterfalls: Record<"ttft" | "e2e", Record<"mean" | "p50" | "p99", MeanParts | null>> | null,
 *   backlog_throughput: number | null,
 *   columns: Record<string, Record<string, ArrayLike<number>>>, elapsed_ms: number,
 * }} Run
 */
/**
 * @typedef {{
 *   offered_per_s: number, achieved_per_s: number, latency_ms: number, low_load_ms: number,
 *   load: number | null,
 * }} Knee
 * @typedef {{
 *   metric: string, runs: Run[], offered_per_s: number[], capacity_per_s: number | null,
 *   capacity_run: Run, knee: Knee | null, reason: string,
 * }} Frontier
 */

export const RATE = "workload.arrivals.rate_per_s";
const RATED = ["poisson", "gamma", "deterministic", "trace"];
// With fewer requests than this many times the batch, a backlog is over before it is steady.
const BATCHES = 4;
/** A failure of one point is that point's status, as in a sweep in Python. */
const STATUS = /** @type {Record<string, Run["status"]>} */ ({
  config: "invalid", infeasible: "infeasible", livelock: "livelock", memory: "infeasible",
});

/**
 * Starts the engine.
 * @param {{workers?: number}} [options] workers: by default as many as cores
 * @returns {Promise<Engine>}
 */
export async function createEngine({ workers } = {}) {
  if (typeof WebAssembly !== "object" || typeof WebAssembly.compile !== "function") {
    throw new Error("This browser has no WebAssembly, which the simulator is compiled to.");
  }
  if (typeof Worker !== "function") {
    throw new Error("This browser has no Web Workers, in which the simulator runs.");
  }
  if (typeof DecompressionStream !== "function") {
    throw new Error("This browser has no DecompressionStream, which unpacks the simulator.");
  }
  const size = Math.max(1, workers ?? navigator.hardwareConcurrency ?? 2);
  const [module, described, source, models, gpus, ...tables] = await Promise.all([
    compiled(),
    assetText("data/schema.json").then(JSON.parse),
    assetText("engine-worker.js"),
    ...["models", "gpus", "h100-sxm", "h200"].map((name) => asset(`data/${name}.json`)),
  ]);
  const inputs = [
    { call: "kvsim_add_models", texts: [models] },
    { call: "kvsim_add_gpus", texts: [gpus] },
    ...tables.map((table) => ({ call: "kvsim_add_step_tables", texts: [table] })),
  ];
  const pool = new Pool(size, source, { module, inputs });
  const { value: version } = await pool.ask({ op: "version" });
  if (version !== described.version) {
    pool.close();
    throw new Error(`kvsim.wasm is of version ${version}, this page of ${described.version}.`);
  }
  return new Engine(pool, version, fieldTable(described.schema));
}

async function compiled() {
  const bytes = await unpacked(await asset("kvsim.wasm.gz"));
  return WebAssembly.compile(/** @type {BufferSource} */ (bytes));
}

export class Engine {
  /** @type {Pool} */
  #pool;
  #runs = 0;
  /** @type {Map<string, Job>} */
  #jobs = new Map();
  /** @type {Map<string, Promise<void>>} */
  #loading = new Map();

  /**
   * @param {Pool} pool
   * @param {string} version
   * @param {Readonly<Record<string, Field>>} fields
   */
  constructor(pool, version, fields) {
    this.#pool = pool;
    /** Version of the engine. */
    this.version = version;
    /** Every parameter of a scenario by its dotted path. */
    this.fields = fields;
  }

  /** How many workers there are. */
  get workers() {
    return this.#pool.size;
  }

  /**
   * Runs a scenario. What it lacks has its default. With `key`, a newer call with the same key makes
   * this one reject with an AbortError.
   * @param {any} scenario
   * @param {{key?: string}} [options]
   * @returns {Promise<Run>}
   */
  async simulate(scenario, { key } = {}) {
    return this.#run(structuredClone(scenario), this.#begin(key));
  }

  /**
   * Runs a base scenario with the fields of each point set, all at once; results in their order.
   * Requests are not kept unless the base says so (`record`).
   * @param {any} base
   * @param {Array<Record<string, any>>} points dotted paths and values
   * @param {{key?: string}} [options]
   * @returns {Promise<Run[]>}
   */
  async sweep(base, points, { key } = {}) {
    const job = this.#begin(key);
    return this.#sweep(await this.#whole(base, job), points, job);
  }

  /**
   * Measures the capacity of a scenario, then its latency at rates up to and beyond it, as
   * `kvsim.frontier` does.
   * @param {any} base its arrivals must have a rate
   * @param {{key?: string, rates?: number[], numPoints?: number, metric?: string}} [options]
   * @returns {Promise<Frontier>}
   */
  async frontier(base, options = {}) {
    const { key, rates, numPoints = 20, metric = "p99_ttft_ms" } = options;
    const job = this.#begin(key);
    const whole = await this.#whole(base, job);
    const capacityRun = await this.#run(backlogged(whole), job);
    const capacity = capacityRun.backlog_throughput;
    const offered = rates ?? (capacity === null ? [] : shares(numPoints).map((s) => s * capacity));
    const points = offered.map((rate) => ({ [RATE]: rate }));
    const runs = await this.#sweep(whole, points, job);
    const columns = [
      offered,
      runs.map((run) => run.summary.request_throughput ?? null),
      runs.map((run) => run.summary[metric] ?? null),
    ];
    const found = await this.theory("knee", columns);
    if (job.stale) throw aborted();
    const knee = found && { ...found, load: capacity ? found.offered_per_s / capacity : null };
    const reason = capacity === null ? capacityRun.reason || "no steady part in the backlog" : "";
    return {
      metric, runs, offered_per_s: offered, capacity_per_s: capacity, capacity_run: capacityRun,
      knee, reason,
    };
  }

  /**
   * A closed form of the engine (cpp/wasm/theory_json.cpp lists them), null where infinite.
   * @param {string} name
   * @param {any[]} args
   * @returns {Promise<any>}
   */
  async theory(name, args) {
    const text = JSON.stringify({ name, arguments: args });
    return (await this.#pool.ask({ op: "theory", text })).value;
  }

  /**
   * A scenario with every default filled in.
   * @param {any} scenario
   * @returns {Promise<any>}
   */
  async canonical(scenario) {
    return this.#whole(scenario, new Job());
  }

  /** Ends the workers; runs that are under way reject with an AbortError. */
  close() {
    this.#pool.close();
  }

  /** @param {string | undefined} key @returns {Job} */
  #begin(key) {
    const job = new Job();
    if (key !== undefined) {
      const older = this.#jobs.get(key);
      if (older) this.#pool.drop(older);
      this.#jobs.set(key, job);
    }
    return job;
  }

  /** @param {any} base @param {Job} job */
  async #whole(base, job) {
    checkNumbers(base);
    const text = JSON.stringify(base);
    return JSON.parse((await this.#pool.ask({ op: "canonical", text }, job)).value);
  }

  /** @param {any} whole @param {Array<Record<string, any>>} points @param {Job} job */
  #sweep(whole, points, job) {
    return Promise.all(
      points.map((point) => {
        const scenario = structuredClone(whole);
        for (const [path, value] of Object.entries(point)) setPath(scenario, path, value);
        return this.#run(scenario, job);
      }),
    );
  }

  /** @param {any} scenario @param {Job} job @returns {Promise<Run>} */
  async #run(scenario, job) {
    checkNumbers(scenario);
    const dataset = datasetOf(scenario);
    if (dataset !== undefined) await this.#load(dataset);
    const text = JSON.stringify(ordered(scenario));
    const id = `${hash(text)}-${++this.#runs}`;
    const known = { id, scenario, seed: scenario.seed ?? this.fields.seed.default };
    try {
      const { value, elapsed_ms } = await this.#pool.ask({ op: "run", text, dataset }, job);
      if (job.stale) throw aborted();
      return Object.freeze({ ...known, ...value, elapsed_ms });
    } catch (error) {
      const status = error instanceof EngineError ? STATUS[error.kind] : undefined;
      if (status === undefined || !(error instanceof EngineError)) throw error;
      return Object.freeze({
        ...known, version: this.version, status, reason: error.message, warnings: [], summary: {},
        totals: {}, kv_budget: {}, trust: null, waterfalls: null, backlog_throughput: null,
        columns: {}, elapsed_ms: 0,
      });
    }
  }

  /** @param {string} name */
  #load(name) {
    let loading = this.#loading.get(name);
    if (!loading) {
      loading = asset(`data/datasets/${name}.bin`).then(
        (bytes) => this.#pool.addDataset(name, bytes),
        () => {}, // the engine says which names there are
      );
      this.#loading.set(name, loading);
    }
    return loading;
  }
}

/** @param {any} scenario @returns {string | undefined} */
function datasetOf(scenario) {
  const lengths = scenario?.workload?.lengths;
  if (typeof lengths === "string") return lengths;
  return lengths?.kind === "dataset" ? lengths.name : undefined;
}

/** The scenario under permanent backlog, as kvsim/_capacity.py has it. @param {any} whole */
function backlogged(whole) {
  const scenario = structuredClone(whole);
  const { workload, engine } = scenario;
  if (!RATED.includes(workload.arrivals.kind)) {
    throw new RangeError(
      `workload.arrivals.kind: got "${workload.arrivals.kind}"; allowed: one with a rate ` +
        `(${RATED.join(", ")})`,
    );
  }
  const few = BATCHES * engine.max_num_seqs;
  const asked = workload.num_requests;
  if (asked !== null && asked < few && workload.prefixes.kind === "none") {
    workload.num_requests = few;
  }
  workload.arrivals = { kind: "burst" };
  scenario.record = "requests";
  return scenario;
}

/** Loads from 2 % to 108 % of capacity, twice as dense in the upper half. @param {number} count */
function shares(count) {
  return Array.from({ length: count }, (_, i) => {
    if (i === count - 1) return 1.08;
    const at = i * (1 / (count - 1)); // the same steps as numpy's, to the bit
    if (at < 0.4) return ((0.68 - 0.02) / 0.4) * at + 0.02;
    return ((1.08 - 0.68) / (1 - 0.4)) * (at - 0.4) + 0.68;
  });
}

export { EngineError };
