// One part in one track, in the order of the chapter: what you need to know, scenario, prediction,
// try it, evidence, constraint check, source, reflection, checkpoint.

import { Controls } from "./controls.js";
import { append, fill, format, h, list, number, paragraphs, replace, table } from "./dom.js";
import { figures, limits } from "./evidence.js";
import { bindingConstraint } from "./metrics.js";
import { KneeBench } from "./parts/knee.js";
import { MemoryBench } from "./parts/memory.js";
import { ShardingBench } from "./parts/sharding.js";
import { peeks } from "./peeks/peeks.js";
import { answer, factorOff } from "./predictions.js";

/** @typedef {import("./engine.js").Run} Run */
/** @typedef {import("./parts/bench.js").Shown} Shown */
/** @typedef {import("./predictions.js").Answer} Answer */
/**
 * @typedef {{
 *   course: any, engine: import("./engine.js").Engine, ledger: import("./ledger.js").Ledger,
 *   theme: () => "light" | "dark", models: any[], gpus: any[],
 * }} Context
 */

const BENCHES = { knee: KneeBench, sharding: ShardingBench, memory: MemoryBench };

export class Page {
  /** @type {import("./parts/bench.js").Bench | null} */
  bench = null;
  /** @type {Shown | null} */
  #state = null;
  /** @type {Controls | null} */
  #controls = null;
  /** @type {Array<(state: Shown) => void>} */
  #listeners = [];

  /** @param {HTMLElement} root @param {Context} context @param {any} part @param {any} track */
  constructor(root, context, part, track) {
    this.root = root;
    this.context = context;
    this.part = part;
    this.track = track;
    this.lab = context.course.labs[part.id][track.id];
    this.where = { part: part.id, track: track.id };
    this.status = h("p", { class: "status", role: "status", id: "status" });
    this.#render();
  }

  #render() {
    const { part, track, lab } = this;
    replace(this.root, h("header", { class: "lead" },
      h("p", { class: "eyebrow" }, `Part ${this.#numberOf(part)}: ${part.kind}, ${part.minutes} minutes`),
      h("h2", { id: "title", tabindex: "-1" }, part.title),
      h("p", { class: "question" }, part.question),
      h("p", {}, h("strong", {}, `${track.name}, ${track.persona}. `), `${track.mission} ${track.crisis}`)));
    if (lab.none) {
      append(this.root, [this.#section("none", "Why this part makes no sense here",
        [...paragraphs(lab.none), h("p", {}, lab.instead)])]);
      return;
    }
    this.#renderLab();
  }

  #renderLab() {
    const { lab } = this;
    const sections = [
      this.#section("know", "What you need to know", paragraphs(lab.know)),
      this.#section("scenario", "Scenario", [
        ...paragraphs(lab.scenario),
        h("dl", { class: "facts" }, lab.facts.flatMap((/** @type {string[]} */ [name, value]) =>
          h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      ]),
      this.#prediction(),
      this.#tryIt(),
      this.#evidence(),
      this.#constraint(),
      this.#section("source", "Source", [list(lab.source)]),
      this.#reflection(),
      this.#checkpoint(),
    ];
    append(this.root, sections);
    const locked = this.context.ledger.of(this.where.part, this.where.track, "prediction")[0];
    if (locked?.prediction) this.#unlock(locked.prediction.value, locked.prediction.answer, false);
  }

  /** @param {any} part */
  #numberOf(part) {
    return this.context.course.parts.indexOf(part) + 1;
  }

  /**
   * @param {string} id @param {string} title @param {Array<import("./dom.js").Child>} children
   * @param {Record<string, any>} [attributes]
   */
  #section(id, title, children, attributes = {}) {
    return h("section", { id, "aria-labelledby": `${id}-title`, ...attributes },
      h("h3", { id: `${id}-title` }, title), children);
  }

  // ---- prediction

  #prediction() {
    const { prediction } = this.lab;
    const lock = h("button", { type: "submit", class: "primary", id: "lock" }, "Lock my prediction");
    const problem = h("p", { class: "problem", role: "alert" });
    const fields = prediction.kind === "choice"
      ? h("fieldset", {}, h("legend", {}, prediction.question),
        prediction.choices.map((/** @type {any} */ choice) => h("label", { class: "option" },
          h("input", { type: "radio", name: "prediction", value: choice.id }), h("span", {}, choice.text))))
      : h("div", { class: "option" },
        h("label", { for: "predicted" }, prediction.question),
        h("input", { type: "number", id: "predicted", min: prediction.min, max: prediction.max, step: prediction.step, inputmode: "decimal" }),
        h("span", {}, ` ${prediction.unit}, from ${prediction.min} to ${prediction.max}`));
    const form = h("form", { id: "prediction-form", novalidate: true, onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      const given = this.#given(form);
      if (typeof given === "string") return replace(problem, given);
      replace(problem);
      this.#unlock(given.value, given.answer, true);
    } }, fields, problem, lock);
    this.lockForm = form;
    this.reveal = h("div", { class: "reveal", id: "reveal", "data-results": true, "aria-live": "polite", hidden: true });
    return this.#section("prediction", "Your prediction", [
      h("p", { class: "hint" }, "The instruments stay hidden until you lock an answer; a locked answer stays in the ledger."),
      form, this.reveal]);
  }

  /** @param {HTMLFormElement} form */
  #given(form) {
    const { prediction } = this.lab;
    if (prediction.kind === "choice") {
      const chosen = new FormData(form).get("prediction");
      const choice = prediction.choices.find((/** @type {any} */ c) => c.id === chosen);
      return choice ? { answer: choice.id, value: choice.value ?? NaN } : "Choose one of the answers.";
    }
    const input = /** @type {HTMLInputElement} */ (form.querySelector("#predicted"));
    const value = input.value.trim() === "" ? NaN : Number(input.value);
    if (!(value >= prediction.min && value <= prediction.max)) {
      return `Type a number from ${prediction.min} to ${prediction.max}.`;
    }
    return { answer: `${value} ${prediction.unit}`, value };
  }

  /** @param {number} value @param {string} given @param {boolean} fresh */
  #unlock(value, given, fresh) {
    const form = /** @type {HTMLFormElement} */ (this.lockForm);
    for (const input of form.elements) /** @type {HTMLInputElement} */ (input).disabled = true;
    /** @type {HTMLElement} */ (form.querySelector("#lock")).textContent = "Locked";
    this.#restoreAnswer(form, given);
    const reveal = /** @type {HTMLElement} */ (this.reveal);
    reveal.hidden = false;
    replace(reveal, h("p", {}, "Asking the simulator..."));
    for (const id of ["try-it", "evidence", "constraint"]) {
      const section = this.root.querySelector(`#${id}`);
      if (section instanceof HTMLElement) section.hidden = false;
    }
    this.#begin();
    void this.#revealAnswer(value, given, fresh).catch((error) => {
      replace(reveal, h("p", { class: "problem" }, `The engine could not answer: ${error.message}`));
    });
  }

  /** @param {HTMLFormElement} form @param {string} given */
  #restoreAnswer(form, given) {
    const radio = form.querySelector(`input[value="${CSS.escape(given)}"]`);
    if (radio instanceof HTMLInputElement) radio.checked = true;
    const input = form.querySelector("#predicted");
    if (input instanceof HTMLInputElement) input.value = String(parseFloat(given));
  }

  /** @param {number} value @param {string} given @param {boolean} fresh */
  async #revealAnswer(value, given, fresh) {
    const { prediction } = this.lab;
    const found = await answer(this.lab, this.context.engine);
    const law = found.growth?.rows[0].laws.find((l) => l.id === given);
    const predicted = law ? law.forecast : value;
    const factor = factorOff(predicted, found.truth);
    /** @type {Record<string, import("./dom.js").Child>} */
    const values = {
      predicted: law ? number(predicted, "ms", ...found.runs.slice(0, 1)) : `${format(predicted)} ${found.unit}`,
      truth: number(found.truth, found.unit, ...found.runs.slice(0, 2)),
      factor: number(factor, "", ...found.runs.slice(0, 2)),
    };
    for (const [name, shown] of Object.entries(found.shown)) values[name] = number(shown.value, shown.unit, shown.run);
    if (found.growth) values.verdict = this.#growthVerdict(found, given);
    replace(/** @type {HTMLElement} */ (this.reveal),
      h("h4", {}, "What the simulator says"),
      prediction.reveal.map((/** @type {string} */ text) => h("p", {}, fill(text, values))),
      found.growth ? this.#growthTable(found) : null);
    if (fresh) this.#noteAnswer(found, predicted, given, factor);
  }

  /** @param {Answer} found @param {string} given */
  #growthVerdict(found, given) {
    const [own, queue] = /** @type {any} */ (found.growth).rows;
    const words = { flat: "no growth", linear: "the linear law", exponential: "the exponential law", hyperbolic: "the hyperbolic law" };
    const name = (/** @type {string} */ id) => words[/** @type {keyof typeof words} */ (id)];
    const right = given === queue.closest ? "Your answer is the queue's. " : "";
    return own.closest === queue.closest
      ? `${right}Your own system follows the queue: ${name(own.closest)} comes closest for it too.`
      : `${right}Your own system is no single queue: up to here ${name(own.closest)} comes closest, since a server that batches works faster when more is waiting. Beyond it the limit is as hard: look at the frontier.`;
  }

  /** @param {Answer} found */
  #growthTable(found) {
    const { rows } = /** @type {any} */ (found.growth);
    const head = ["System", "P99 at 90 % of capacity", "no growth says", "linear says", "exponential says", "hyperbolic says"];
    return table("Each law fitted to loads up to 50 %, and what it says about 90 %", head,
      rows.map((/** @type {any} */ row) => [row.name, number(row.truth, "ms", row.run),
        ...row.laws.map((/** @type {any} */ law) => number(law.forecast, "ms", ...row.frontier.runs.slice(0, -1)))]));
  }

  /** @param {Answer} found @param {number} predicted @param {string} given @param {number} factor */
  #noteAnswer(found, predicted, given, factor) {
    const { ledger } = this.context;
    const [main, ...others] = found.runs;
    ledger.add("prediction", this.where, main, {
      title: this.lab.prediction.question, binding_constraint: bindingConstraint(main),
      prediction: { question: this.lab.prediction.question, answer: given, value: predicted, truth: found.truth, factor, unit: found.unit },
    });
    for (const run of others) {
      ledger.add("evidence", this.where, run, { title: "Compared with, for the prediction", binding_constraint: bindingConstraint(run) });
    }
  }

  // ---- try it

  #tryIt() {
    const { lab } = this;
    const { engine } = this.context;
    const all = [...lab.controls.primary, ...lab.controls.more];
    const controls = new Controls(all, lab.base, engine.fields, () => this.#moved());
    this.#controls = controls;
    this.place = h("div", { class: "bench" });
    this.undo = h("button", { type: "button", id: "undo", disabled: true, onclick: () => controls.undo() }, "Undo");
    const reset = h("button", { type: "button", id: "reset", onclick: () => controls.reset() }, "Back to the start");
    return this.#section("try-it", "Try it", [
      h("div", { class: "knobs primary-knobs" }, lab.controls.primary.map((/** @type {any} */ c) => controls.element(c))),
      h("details", { class: "more" }, h("summary", {}, "More controls"),
        h("div", { class: "knobs" }, lab.controls.more.map((/** @type {any} */ c) => controls.element(c)))),
      h("div", { class: "try-bar" }, this.undo, reset),
      this.status, this.place,
    ], { hidden: true });
  }

  #moved() {
    if (this.undo) this.undo.disabled = !this.#controls?.canUndo;
    this.bench?.changed();
  }

  #begin() {
    const Bench = BENCHES[/** @type {keyof typeof BENCHES} */ (this.part.id)];
    const controls = /** @type {Controls} */ (this.#controls);
    this.bench = new Bench({
      lab: this.lab, where: this.where, engine: this.context.engine, controls,
      place: /** @type {HTMLElement} */ (this.place), theme: this.context.theme(),
      ledger: this.context.ledger, shown: (state) => this.#shown(state),
      say: (text) => replace(this.status, text),
    });
    void this.bench.start();
  }

  /** @param {Shown} state */
  #shown(state) {
    this.#state = state;
    const { run } = state;
    replace(this.status, run.status === "ok" ? "" :
      run.status === "unstable" ? "Unstable: more arrives than leaves, and the figures grow with the length of the run." :
      h("span", { class: "problem", "data-results": true },
        run.status === "infeasible" ? "Out of memory: " : `${run.status}: `, h("span", { "data-run": run.id }, run.reason)));
    for (const listener of this.#listeners) listener(state);
  }

  // ---- evidence, constraint check

  #evidence() {
    const place = h("div", { id: "figures", class: "figures", "data-results": true });
    this.#listeners.push((state) => replace(place, figures(state, this.lab)));
    const record = h("button", { type: "button", id: "record", onclick: () => this.#record() }, "Note this run in the ledger");
    const shown = peeks(this.lab.peeks, this.context, this.lab);
    this.#listeners.push((state) => shown.update(state));
    return this.#section("evidence", "Evidence", [place, h("div", { class: "try-bar" }, record),
      h("h4", {}, "Look for"), list(this.lab.evidence), h("h4", {}, "Math peek"), shown.element], { hidden: true });
  }

  #record() {
    const run = this.#state?.run;
    if (!run) return;
    this.context.ledger.add("result", this.where, run, {
      title: `${this.part.title}: a run`, knobs: this.#controls?.knobs(), binding_constraint: bindingConstraint(run),
    });
    replace(this.status, "Noted in the ledger.");
  }

  #constraint() {
    const out = h("div", { id: "constraints", "data-results": true });
    this.#listeners.push(({ run }) => replace(out, limits(run, this.lab)));
    return this.#section("constraint", "Constraint check", [out, h("p", { class: "break" }, h("strong", {}, "Break it: "), this.lab.break)], { hidden: true });
  }

  // ---- reflection, checkpoint

  #reflection() {
    const { lab } = this;
    const said = this.context.ledger.of(this.where.part, this.where.track)
      .filter((e) => e.reflection).at(-1)?.reflection ?? [];
    const questions = [...lab.reflection];
    const areas = questions.map((question, i) =>
      h("label", { class: "answer" }, h("span", {}, question),
        h("textarea", { rows: 3, id: `reflection-${i}`, maxlength: 4000 }, said.find((s) => s.question === question)?.answer ?? "")));
    const DECISION = "Your decision for the fleet";
    const choices = ["throughput", "responsiveness"].map((id) => h("label", { class: "chip" },
      h("input", { type: "radio", name: "decision", value: id, checked: said.some((s) => s.question === DECISION && s.answer === id) }), h("span", {}, id)));
    const note = h("p", { class: "hint", role: "status" });
    const save = h("button", { type: "button", id: "save-reflection", onclick: () => {
      const answers = questions.map((question, i) => ({ question, answer: areas[i].querySelector("textarea")?.value.trim() ?? "" }));
      const decided = choices.map((c) => c.querySelector("input")).find((i) => i?.checked)?.value;
      if (lab.decision && decided) answers.push({ question: DECISION, answer: decided });
      replace(note, this.#saveReflection(answers, Boolean(lab.decision)));
    } }, lab.decision ? "Save reflection and decision" : "Save reflection");
    return this.#section("reflection", "Reflection", [
      ...areas, lab.decision ? h("fieldset", { class: "knob" }, h("legend", {}, DECISION), h("div", { class: "choices" }, choices)) : null,
      h("div", { class: "try-bar" }, save), note]);
  }

  /** @param {Array<{question: string, answer: string}>} answers @param {boolean} decision */
  #saveReflection(answers, decision) {
    const run = this.#state?.run;
    if (!run) return "Lock a prediction first: a reflection is noted with the run it is about.";
    if (answers.every(({ answer: text }) => text === "")) return "Write something first.";
    this.context.ledger.add(decision ? "decision" : "reflection", this.where, run, {
      title: `${this.part.title}: ${decision ? "decision" : "reflection"}`, knobs: this.#controls?.knobs(),
      binding_constraint: bindingConstraint(run), reflection: answers,
    });
    return "Saved in the ledger.";
  }

  #checkpoint() {
    const { ledger } = this.context;
    const place = `${this.where.part}/${this.where.track}`;
    const saved = ledger.checks(place);
    const boxes = this.lab.checkpoint.map((/** @type {string} */ text, /** @type {number} */ i) => {
      const box = h("input", { type: "checkbox", checked: saved[i] ?? false, onchange: () =>
        ledger.setChecks(place, [...this.root.querySelectorAll("#checkpoint input")].map((b) => /** @type {HTMLInputElement} */ (b).checked)) });
      return h("li", {}, h("label", { class: "option" }, box, h("span", {}, text)));
    });
    const restart = h("button", { type: "button", id: "restart", onclick: () => {
      if (!confirm("Take this part's prediction, tries and notes out of the ledger and begin again?")) return;
      ledger.forget(this.where.part, this.where.track);
      this.destroy();
      this.root.dispatchEvent(new CustomEvent("restart", { bubbles: true }));
    } }, "Begin this part again");
    const next = this.context.course.parts[this.#numberOf(this.part)];
    return this.#section("checkpoint", "Checkpoint", [
      h("ul", { class: "checks" }, boxes),
      h("div", { class: "try-bar" },
        h("a", { class: "button", href: next ? `#${next.id}/${this.track.id}` : "#ledger" }, next ? `Next: ${next.title}` : "To the ledger"),
        restart)]);
  }

  /** @param {"light" | "dark"} theme */
  setTheme(theme) {
    this.bench?.setTheme(theme);
  }

  destroy() {
    this.bench?.destroy();
    this.bench = null;
  }
}
