// The ledger: what a student predicted, set, saw and decided, with what reproduces each number.
// It lives in the browser and leaves it as JSON (`kvsim replay` runs it again) or as a report.

/** @typedef {import("./engine.js").Run} Run */
/**
 * @typedef {{
 *   id: string, time: string, kind: Kind, part: string, track: string,
 *   scenario: any, seed: number, version: string, engine_run_id: string, status: string,
 *   numbers: Record<string, number>, knobs: Record<string, string>, binding_constraint: string,
 *   title: string, derived?: Record<string, number>, prediction?: Prediction,
 *   verdict?: string, reflection?: Array<{question: string, answer: string}>,
 * }} Entry
 * @typedef {{question: string, answer: string, value: number, truth: number, factor: number, unit: string}} Prediction
 * @typedef {"prediction" | "evidence" | "result" | "try" | "challenge" | "reflection" | "decision"} Kind
 * @typedef {{
 *   schema: string, schema_version: number, entries: Entry[], checks: Record<string, boolean[]>,
 * }} Contents
 */

export const SCHEMA = "kvsim.ledger";
export const SCHEMA_VERSION = 1;
const KEY = "kvsim.ledger";
const KINDS = ["prediction", "evidence", "result", "try", "challenge", "reflection", "decision"];

/** Why a ledger was refused. */
export class LedgerError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "LedgerError";
  }
}

/** @returns {Contents} */
function empty() {
  return { schema: SCHEMA, schema_version: SCHEMA_VERSION, entries: [], checks: {} };
}

export class Ledger {
  /** @type {Contents} */
  #contents = empty();
  /** Why it is not kept beyond this page, "" if it is. */
  problem = "";
  /** @type {Set<() => void>} */
  #watchers = new Set();

  constructor() {
    addEventListener("storage", ({ key, newValue }) => key === KEY && this.#follow(newValue));
    let text = null;
    try {
      text = localStorage.getItem(KEY);
    } catch {
      this.problem = "This browser keeps nothing for this page: export the ledger before you leave.";
    }
    if (text === null) return;
    try {
      this.#contents = parseLedger(text);
    } catch (error) {
      // Kept beside, so that nothing is lost and the page works.
      keep(`${KEY}.damaged`, text);
      const why = error instanceof Error ? error.message : String(error);
      this.problem = `The ledger kept in this browser could not be read (${why}). It is set aside, and a new one begins.`;
    }
  }

  /** Takes over what another page of this browser has noted. @param {string | null} text */
  #follow(text) {
    if (text === null) return;
    try {
      this.#contents = parseLedger(text);
    } catch {
      return; // of another version of the page: this one's stays as it is
    }
    this.#changed();
  }

  get entries() {
    return this.#contents.entries;
  }

  /** @param {() => void} watcher called after every change */
  watch(watcher) {
    this.#watchers.add(watcher);
  }

  /**
   * Notes a run.
   * @param {Kind} kind
   * @param {{part: string, track: string}} where
   * @param {Run} run
   * @param {{title: string, knobs?: Record<string, string>, binding_constraint: string,
   *   prediction?: Prediction, derived?: Record<string, number>, verdict?: string,
   *   reflection?: Array<{question: string, answer: string}>}} more
   */
  add(kind, where, run, more) {
    /** @type {Entry} */
    const entry = {
      id: `${run.id}/${kind}/${this.entries.length}`, time: new Date().toISOString(), kind,
      part: where.part, track: where.track, title: more.title,
      scenario: run.scenario, seed: run.seed, version: run.version, engine_run_id: run.id,
      status: run.status, numbers: numbersOf(run), knobs: more.knobs ?? {},
      binding_constraint: more.binding_constraint,
      ...(more.prediction && { prediction: more.prediction }),
      ...(more.derived && { derived: more.derived }),
      ...(more.verdict && { verdict: more.verdict }),
      ...(more.reflection && { reflection: more.reflection }),
    };
    this.#contents.entries.push(entry);
    this.#save();
    return entry;
  }

  /** @param {string} part @param {string} track @param {Kind} [kind] */
  of(part, track, kind) {
    return this.entries.filter(
      (e) => e.part === part && e.track === track && (kind === undefined || e.kind === kind),
    );
  }

  /** Takes out what was noted of a part in a track. @param {string} part @param {string} track */
  forget(part, track) {
    this.#contents.entries = this.entries.filter((e) => e.part !== part || e.track !== track);
    delete this.#contents.checks[`${part}/${track}`];
    this.#save();
  }

  clear() {
    this.#contents = empty();
    this.#save();
  }

  /** @param {string} place @returns {boolean[]} */
  checks(place) {
    return this.#contents.checks[place] ?? [];
  }

  /** @param {string} place @param {boolean[]} checks */
  setChecks(place, checks) {
    this.#contents.checks[place] = checks;
    this.#save();
  }

  toJSON() {
    return JSON.stringify(this.#contents, null, 2);
  }

  /**
   * Adds the entries of an exported ledger that are not here yet.
   * @param {string} text
   * @returns {number} how many were added
   */
  import(text) {
    const other = parseLedger(text);
    const known = new Set(this.entries.map((e) => e.id + e.time));
    const fresh = other.entries.filter((e) => !known.has(e.id + e.time));
    this.#contents.entries.push(...fresh);
    this.#contents.checks = { ...other.checks, ...this.#contents.checks };
    this.#save();
    return fresh.length;
  }

  #save() {
    if (!keep(KEY, this.toJSON())) {
      this.problem = "This browser could not keep the ledger: export it before you leave.";
    }
    this.#changed();
  }

  #changed() {
    for (const watcher of this.#watchers) watcher();
  }
}

/** Whether the browser took it. @param {string} key @param {string} text */
function keep(key, text) {
  try {
    localStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

/** @param {Run} run @returns {Record<string, number>} */
function numbersOf(run) {
  return /** @type {any} */ (
    Object.fromEntries(Object.entries(run.summary).filter(([, v]) => typeof v === "number"))
  );
}

/**
 * Reads a ledger and refuses what is none.
 * @param {string} text
 * @returns {Contents}
 */
export function parseLedger(text) {
  /** @type {any} */
  let found;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new LedgerError(`not JSON: ${error instanceof Error ? error.message : error}`);
  }
  need(isObject(found), "the file", "an object");
  need(found.schema === SCHEMA, "schema", `"${SCHEMA}" (got ${JSON.stringify(found.schema)})`);
  need(found.schema_version === SCHEMA_VERSION, "schema_version",
    `${SCHEMA_VERSION}, which this page reads (got ${JSON.stringify(found.schema_version)})`);
  need(Array.isArray(found.entries), "entries", "a list");
  found.entries.forEach((/** @type {any} */ entry, /** @type {number} */ i) => check(entry, `entries[${i}]`));
  const checks = found.checks ?? {};
  need(isObject(checks) && Object.values(checks).every((c) => Array.isArray(c) && c.every((x) => typeof x === "boolean")),
    "checks", "lists of true and false");
  return { schema: SCHEMA, schema_version: SCHEMA_VERSION, entries: found.entries, checks };
}

/** @param {any} entry @param {string} at */
function check(entry, at) {
  need(isObject(entry), at, "an object");
  for (const name of ["id", "time", "part", "track", "title", "version", "engine_run_id", "status", "binding_constraint"]) {
    need(typeof entry[name] === "string", `${at}.${name}`, "a text");
  }
  need(KINDS.includes(entry.kind), `${at}.kind`, `one of ${KINDS.join(", ")}`);
  need(Number.isSafeInteger(entry.seed), `${at}.seed`, "a whole number");
  need(isObject(entry.scenario), `${at}.scenario`, "an object");
  need(isObject(entry.numbers) && Object.values(entry.numbers).every(Number.isFinite), `${at}.numbers`, "numbers by name");
  need(isObject(entry.knobs) && Object.values(entry.knobs).every((v) => typeof v === "string"), `${at}.knobs`, "texts by name");
  if (entry.derived !== undefined) {
    need(isObject(entry.derived) && Object.values(entry.derived).every(Number.isFinite), `${at}.derived`, "numbers by name");
  }
  if (entry.prediction !== undefined) {
    const p = entry.prediction;
    need(isObject(p) && [p.question, p.answer, p.unit].every((text) => typeof text === "string")
      && [p.value, p.truth, p.factor].every(Number.isFinite), `${at}.prediction`, "question, answer, value, truth, factor and unit");
  }
  if (entry.verdict !== undefined) need(typeof entry.verdict === "string", `${at}.verdict`, "a text");
  if (entry.reflection !== undefined) {
    need(Array.isArray(entry.reflection) && entry.reflection.every((/** @type {any} */ r) =>
      isObject(r) && typeof r.question === "string" && typeof r.answer === "string"),
    `${at}.reflection`, "questions and answers");
  }
}

/** @param {any} value */
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** @param {boolean} holds @param {string} what @param {string} allowed */
function need(holds, what, allowed) {
  if (!holds) throw new LedgerError(`${what}: allowed: ${allowed}`);
}
