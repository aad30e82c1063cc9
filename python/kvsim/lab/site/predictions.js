// What the simulator says to a question of the prediction lock. course.json names the method.

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./engine.js").Run} Run */
/** @typedef {import("./engine.js").Frontier} Frontier */
/**
 * @typedef {{
 *   truth: number, unit: string, runs: Run[], shown: Record<string, {value: number, unit: string, run: Run}>,
 *   growth?: Growth,
 * }} Answer
 * @typedef {{id: string, forecast: number}} Law
 * @typedef {{
 *   name: string, frontier: Frontier, at: number, truth: number, run: Run, laws: Law[], closest: string,
 * }} GrowthRow
 * @typedef {{rows: GrowthRow[]}} Growth
 */

/**
 * Asks the simulator.
 * @param {any} lab
 * @param {Engine} engine
 * @returns {Promise<Answer>}
 */
export async function answer(lab, engine) {
  const { method } = lab.prediction.answer;
  const known = { extrapolate, ratio, value };
  if (!(method in known)) throw new Error(`prediction.answer.method: got ${method}`);
  return known[/** @type {keyof typeof known} */ (method)](lab, engine);
}

/** @param {Run} run @param {string} key */
function need(run, key) {
  const found = run.summary[key];
  if (typeof found !== "number") throw new Error(`${key}: the run is ${run.status}. ${run.reason}`);
  return found;
}

/** The unit of a figure by its name. @param {string} key */
function unitOf(key) {
  if (key.endsWith("_ms")) return "ms";
  if (key.endsWith("_slots")) return "%";
  return key === "mean_running" ? "users" : key.endsWith("_percent") ? "%-points" : "";
}

/**
 * Settings that are to be run, and the figure wanted of each.
 * @param {any} base @param {Array<{name: string, set: Record<string, any>, key: string}>} wanted @param {Engine} engine
 */
export async function figures(base, wanted, engine) {
  const runs = await engine.sweep({ ...base, record_memory: base.record_memory && "classes" },
    wanted.map(({ set }) => set));
  return Object.fromEntries(wanted.map(({ name, key }, i) =>
    [name, { value: need(runs[i], key), unit: unitOf(key), run: runs[i] }]));
}

/** One figure over another. @param {any} lab @param {Engine} engine @returns {Promise<Answer>} */
async function ratio(lab, engine) {
  const { over, under, key, unit, also = [], reclaimed } = lab.prediction.answer;
  const shown = await figures(lab.base,
    [{ name: "over", set: over, key }, { name: "under", set: under, key }, ...also], engine);
  if (reclaimed) {
    const [now, before] = reclaimed.map((/** @type {string} */ name) => shown[name]);
    const { kv_bytes: kv, memory_bytes: memory } = now.run.kv_budget;
    shown.reclaimed = { value: ((now.value - before.value) * kv) / memory, unit: "%", run: now.run };
  }
  return {
    truth: shown.over.value / shown.under.value, unit, shown,
    runs: [shown.over.run, shown.under.run, ...also.map((/** @type {any} */ a) => shown[a.name].run)],
  };
}

/** A figure itself. @param {any} lab @param {Engine} engine @returns {Promise<Answer>} */
async function value(lab, engine) {
  const { set, key, unit } = lab.prediction.answer;
  const shown = await figures(lab.base, [{ name: "value", set, key }], engine);
  return { truth: shown.value.value, unit, shown, runs: [shown.value.run] };
}

/**
 * Which law of growth, fitted to low loads, foretells a high one: of the lab's own system, and of
 * an M/M/1 queue of the same capacity that the same engine runs.
 * @param {any} lab @param {Engine} engine @returns {Promise<Answer>}
 */
async function extrapolate(lab, engine) {
  const { at, fit_up_to: limit } = lab.prediction.answer;
  const own = await growthRow("your system", lab.base, lab.metric, at, limit, engine);
  const queue = await growthRow("one queue (M/M/1)", markovQueue(own.frontier, lab.base.seed),
    "p99_e2el_ms", at, limit, engine);
  return {
    truth: own.truth, unit: "ms", runs: [own.run, queue.run], growth: { rows: [own, queue] },
    shown: {},
  };
}

/** @param {Frontier} own @param {number} seed */
function markovQueue(own, seed) {
  return {
    workload: { arrivals: { kind: "poisson", rate_per_s: 1 }, num_requests: 200_000 },
    fleet: { server: { kind: "one_shot", s0_ms: 1000 / /** @type {number} */ (own.capacity_per_s), jitter: { kind: "exponential" } } },
    record: "summary", seed,
  };
}

/**
 * @param {string} name @param {any} base @param {string} metric @param {number} at
 * @param {number} limit @param {Engine} engine
 * @returns {Promise<GrowthRow>}
 */
async function growthRow(name, base, metric, at, limit, engine) {
  const capacity = (await engine.frontier(base, { metric, rates: [] })).capacity_per_s;
  if (capacity === null) throw new Error(`${name}: no capacity`);
  const loads = [0.1, 0.2, 0.3, 0.4, 0.5, at];
  const frontier = await engine.frontier(base, { metric, rates: loads.map((load) => load * capacity) });
  const latencies = frontier.runs.map((run) => need(run, metric));
  const low = loads.flatMap((load, i) => (load <= limit ? [[load, latencies[i]]] : []));
  const truth = latencies[loads.length - 1];
  const laws = forecasts(low, at);
  const off = (/** @type {Law} */ law) => Math.abs(Math.log(law.forecast / truth));
  const closest = laws.reduce((best, law) => (off(law) < off(best) ? law : best)).id;
  return { name, frontier, at, truth, run: frontier.runs[loads.length - 1], laws, closest };
}

/**
 * Least squares of each law to the points at low load, and what it says about a high one.
 * @param {number[][]} points load and latency @param {number} at
 * @returns {Law[]}
 */
export function forecasts(points, at) {
  const last = points[points.length - 1][1];
  const same = (/** @type {number} */ x) => x;
  return [
    { id: "flat", forecast: last },
    { id: "linear", forecast: line(points, same, same)(at) },
    { id: "exponential", forecast: Math.exp(line(points, same, Math.log)(at)) },
    { id: "hyperbolic", forecast: line(points, (load) => 1 / (1 - load), same)(1 / (1 - at)) },
  ];
}

/**
 * The straight line through transformed points.
 * @param {number[][]} points @param {(x: number) => number} fx @param {(y: number) => number} fy
 */
function line(points, fx, fy) {
  const n = points.length;
  const mx = points.reduce((sum, [x]) => sum + fx(x), 0) / n;
  const my = points.reduce((sum, [, y]) => sum + fy(y), 0) / n;
  const sxy = points.reduce((sum, [x, y]) => sum + (fx(x) - mx) * (fy(y) - my), 0);
  const sxx = points.reduce((sum, [x]) => sum + (fx(x) - mx) ** 2, 0);
  return (/** @type {number} */ x) => my + (sxy / sxx) * (x - mx);
}

/** How many times off, at least 1. @param {number} predicted @param {number} truth */
export function factorOff(predicted, truth) {
  return predicted > truth ? predicted / truth : truth / predicted;
}
