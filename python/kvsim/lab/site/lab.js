// The lab: starts the engine, reads the course and shows the part that the address names.

import { assetText } from "./assets.js";
import { append, h, list, replace } from "./dom.js";
import { createEngine } from "./engine.js";
import { loadPlotly } from "./instruments/plotly.js";
import { Ledger } from "./ledger.js";
import { Page } from "./page.js";
import { showLedger } from "./report.js";

/** @typedef {import("./page.js").Context} Context */
/** @typedef {"auto" | "light" | "dark"} Look */

const LOOK = "kvsim.look";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** @returns {Look} */
function savedLook() {
  try {
    const look = localStorage.getItem(LOOK);
    return look === "light" || look === "dark" ? look : "auto";
  } catch {
    return "auto";
  }
}

class Lab {
  /** @type {Page | null} */
  page = null;
  /** @type {string | undefined} */
  lastTrack;
  look = savedLook();

  /**
   * @param {any} course @param {import("./engine.js").Engine} engine
   * @param {any[]} models @param {any[]} gpus the catalogue, as the engine has it
   */
  constructor(course, engine, models, gpus) {
    this.course = course;
    this.ledger = new Ledger();
    this.main = /** @type {HTMLElement} */ (document.getElementById("main"));
    /** @type {Context} */
    this.context = { course, engine, models, gpus, ledger: this.ledger, theme: () => this.theme };
    this.#header();
    this.#applyLook();
    addEventListener("hashchange", () => this.show(true));
    this.main.addEventListener("restart", () => this.show(true));
    dark.addEventListener("change", () => this.#applyLook());
    this.ledger.watch(() => this.#count());
    this.#count();
    /** @type {HTMLElement} */ (document.getElementById("engine")).textContent =
      `Engine ${engine.version}, ${engine.workers} ${engine.workers === 1 ? "worker" : "workers"}, in this page.`;
    this.show(false);
  }

  /** @returns {"light" | "dark"} */
  get theme() {
    return this.look === "auto" ? (dark.matches ? "dark" : "light") : this.look;
  }

  #header() {
    const { tracks, parts } = this.course;
    const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
    replace(place("tracks"), tracks.map((/** @type {any} */ t) =>
      h("a", { class: `track-link track-${t.id}`, "data-track": t.id }, h("span", { class: "dot", "aria-hidden": "true" }), t.name)));
    replace(place("parts"), parts.map((/** @type {any} */ p, /** @type {number} */ i) =>
      h("a", { class: "part-link", "data-part": p.id }, `${i + 1}. ${p.title}`)));
    const select = h("select", { id: "look", onchange: () => this.#setLook(/** @type {Look} */ (select.value)) },
      [["auto", "as the system"], ["light", "light"], ["dark", "dark"]].map(([value, text]) =>
        h("option", { value, selected: value === this.look }, text)));
    append(place("tools"), [h("a", { class: "button", href: "#ledger", id: "ledger-link" }, "Ledger"),
      h("label", { class: "look" }, h("span", {}, "Look"), select)]);
  }

  #count() {
    const { length } = this.ledger.entries;
    /** @type {HTMLElement} */ (document.getElementById("ledger-link")).textContent = length ? `Ledger (${length})` : "Ledger";
  }

  /** @param {Look} look */
  #setLook(look) {
    this.look = look;
    try {
      localStorage.setItem(LOOK, look);
    } catch {
      // Only the choice of colours is not kept.
    }
    this.#applyLook();
  }

  #applyLook() {
    document.documentElement.dataset.theme = this.theme;
    this.page?.setTheme(this.theme);
  }

  /** @param {boolean} focus */
  show(focus) {
    this.page?.destroy();
    this.page = null;
    const route = location.hash.slice(1);
    const [partId, trackId] = route.split("/");
    const part = this.course.parts.find((/** @type {any} */ p) => p.id === partId);
    const track = this.course.tracks.find((/** @type {any} */ t) => t.id === trackId);
    this.#mark(part, track);
    if (part && track) this.page = new Page(this.main, this.context, part, track);
    else if (route === "ledger") showLedger(this.main, this.context);
    else this.#welcome();
    if (this.ledger.problem && route !== "ledger") this.main.prepend(h("p", { class: "problem", role: "alert" }, this.ledger.problem));
    const title = this.main.querySelector("h2")?.textContent;
    document.title = `${title ? `${title}: ` : ""}${this.course.title}`;
    if (focus) {
      scrollTo(0, 0);
      /** @type {HTMLElement | null} */ (this.main.querySelector("#title"))?.focus();
    }
  }

  /** @param {any} part @param {any} track */
  #mark(part, track) {
    const partId = part?.id ?? this.course.parts[0].id;
    /** @type {string} */
    const trackId = track?.id ?? this.lastTrack ?? this.course.tracks[0].id;
    this.lastTrack = trackId;
    document.documentElement.dataset.track = trackId;
    for (const link of document.querySelectorAll("[data-track].track-link")) {
      const id = /** @type {HTMLElement} */ (link).dataset.track;
      link.setAttribute("href", `#${partId}/${id}`);
      link.toggleAttribute("aria-current", Boolean(track) && id === trackId);
      if (link.hasAttribute("aria-current")) link.setAttribute("aria-current", "true");
    }
    for (const link of document.querySelectorAll("[data-part].part-link")) {
      const id = /** @type {HTMLElement} */ (link).dataset.part;
      link.setAttribute("href", `#${id}/${trackId}`);
      link.toggleAttribute("aria-current", Boolean(part) && id === part.id);
      if (link.hasAttribute("aria-current")) link.setAttribute("aria-current", "page");
    }
  }

  #welcome() {
    const { tracks, lead, invariant, parts } = this.course;
    replace(this.main,
      h("header", { class: "lead" },
        h("p", { class: "eyebrow" }, "45 minutes, three parts"),
        h("h2", { id: "title", tabindex: "-1" }, "Choose who you are"),
        h("p", { class: "question" }, invariant), h("p", {}, lead)),
      h("div", { class: "cards" }, tracks.map((/** @type {any} */ t) =>
        h("a", { class: `card track-${t.id}`, href: `#${parts[0].id}/${t.id}` },
          h("h3", {}, t.name), h("p", { class: "hint" }, t.persona), h("p", {}, h("strong", {}, t.mission)), h("p", {}, t.crisis)))),
      h("section", { "aria-labelledby": "how" }, h("h3", { id: "how" }, "How it goes"), list([
        "Read what you need to know and the scenario.",
        "Predict, and lock your prediction. Only then the instruments appear.",
        "Move the controls: every picture and number is a run of the simulator inside this page.",
        "Check the constraints, break one and mend it, and say what you learnt.",
        "The ledger keeps it all, in this browser only. Export it when you are done.",
      ], "ol")));
  }
}

/** @param {unknown} error */
function failed(error) {
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  replace(main, h("div", { class: "problem", role: "alert" },
    h("h2", {}, "The lab cannot start here"),
    h("p", {}, error instanceof Error ? error.message : String(error)),
    h("p", {}, "It needs a browser of the last few years, with WebAssembly and Web Workers allowed.")));
}

async function start() {
  // Read while the engine is compiled; an instrument that needs it says if it did not come.
  loadPlotly().catch(() => {});
  try {
    const [course, models, gpus, engine] = await Promise.all([
      ...["course.json", "data/models.json", "data/gpus.json"].map((name) => assetText(name).then(JSON.parse)),
      createEngine(),
    ]);
    Reflect.set(globalThis, "kvsimLab", new Lab(course, engine, models, gpus));
  } catch (error) {
    failed(error);
  }
}

void start();
