// What every instrument is made of: a plot, buttons that save it, an exact table beneath.

import { CONFIG, figure, loadPlotly } from "./plotly.js";

/** @typedef {import("./plotly.js").Theme} Theme */
/** @typedef {string | number | null} Cell */
/**
 * @typedef {{
 *   name: string, caption: string, summary: string, runs: string[],
 *   traces: any[], layout: any,
 *   head: string[], rows: Array<{run: string, cells: Cell[]}>, csvRows?: () => Cell[][],
 *   csvHead?: string[],
 * }} Picture everything that is to be seen, computed from data
 */
/**
 * @template Data
 * @typedef {{
 *   update: (data: Data, changes?: {ghost?: Data | null, options?: any, theme?: Theme})
 *     => Promise<void>,
 *   destroy: () => void, toCSV: () => string, toPNG: () => Promise<string>,
 *   toSVG: () => Promise<string>, drawn: Promise<void>,
 * }} Instrument
 */

const SAVED = { width: 1200, height: 675 };
const NARROW = 480;

/**
 * @template Data
 * @param {HTMLElement} element
 * @param {{data: Data, ghost?: Data | null, options?: any, theme?: Theme}} given
 * @param {(state: {data: Data, ghost: Data | null, options: any, theme: Theme}) => Picture} picture
 * @param {{keepsGhost: boolean}} traits whether an update makes the data before it the ghost
 * @returns {Instrument<Data>}
 */
export function mountFrame(element, given, picture, { keepsGhost }) {
  /** @type {{data: Data, ghost: Data | null, options: any, theme: Theme}} */
  const state = {
    data: given.data, ghost: given.ghost ?? null, options: given.options ?? {},
    theme: given.theme ?? "light",
  };
  let shown = picture(state);
  const root = build(element, shown.name);
  const plot = /** @type {HTMLElement} */ (root.querySelector(".instrument-plot"));
  let alive = true;

  async function draw() {
    const Plotly = await loadPlotly();
    if (!alive) return;
    shown = picture(state);
    root.dataset.run = shown.runs.join(" ");
    root.dataset.theme = state.theme;
    plot.setAttribute("aria-label", shown.summary);
    fillTable(root, shown);
    const layout = plot.clientWidth < NARROW ? narrowed(shown.layout) : shown.layout;
    await Plotly.react(plot, shown.traces, layout, CONFIG);
    element.dispatchEvent(
      new CustomEvent("instrument-drawn", { bubbles: true, detail: { runs: shown.runs } }),
    );
  }

  /** @param {"png" | "svg"} format */
  async function image(format) {
    await handle.drawn;
    const Plotly = await loadPlotly();
    return Plotly.toImage(plot, { format, ...SAVED, scale: format === "png" ? 2 : 1 });
  }

  /** @type {Instrument<Data>} */
  const handle = {
    drawn: draw(),
    update(data, changes = {}) {
      if (changes.ghost !== undefined) state.ghost = changes.ghost;
      else if (keepsGhost) state.ghost = state.data;
      state.data = data;
      state.options = { ...state.options, ...changes.options };
      state.theme = changes.theme ?? state.theme;
      handle.drawn = draw();
      return handle.drawn;
    },
    destroy() {
      alive = false;
      Reflect.get(globalThis, "Plotly")?.purge(plot);
      root.remove();
    },
    toCSV: () => csv(shown),
    toPNG: () => image("png"),
    toSVG: async () => decodeURIComponent((await image("svg")).replace(/^data:[^,]*,/, "")),
  };
  addButtons(root, handle, shown.name);
  return handle;
}

/** The layout on a phone: smaller text, room for labels beside bars and for a legend in rows. @param {any} layout */
function narrowed(layout) {
  const { font, margin, legend, xaxis } = layout;
  return {
    ...layout,
    font: { ...font, size: 11 },
    margin: { ...margin, l: Math.min(margin.l, 84), r: 12 },
    legend: legend && { ...legend, y: -0.34, font: { size: 10 } },
    xaxis: { ...xaxis, nticks: 5, ...(xaxis.range && { range: xaxis.range.map((/** @type {number} */ x) => 1.4 * x) }) },
  };
}

/** @param {HTMLElement} element @param {string} name */
function build(element, name) {
  const root = document.createElement("figure");
  root.className = "instrument";
  root.dataset.instrument = name;
  root.innerHTML = `
    <div class="instrument-plot" role="img"></div>
    <div class="instrument-tools" role="group" aria-label="Save this picture"></div>
    <details class="instrument-data"><summary>Exact table</summary>
      <div class="instrument-scroll" tabindex="0" role="region" aria-label="Exact table">
        <table><caption></caption><thead><tr></tr></thead><tbody></tbody></table>
      </div>
    </details>`;
  element.append(root);
  return root;
}

/** @param {HTMLElement} root @param {Picture} shown */
function fillTable(root, shown) {
  const table = /** @type {HTMLTableElement} */ (root.querySelector("table"));
  /** @type {HTMLElement} */ (table.caption).textContent = shown.caption;
  const head = /** @type {HTMLElement} */ (table.tHead?.rows[0]);
  head.replaceChildren(
    ...shown.head.map((text) => Object.assign(document.createElement("th"), { textContent: text, scope: "col" })),
  );
  table.tBodies[0].replaceChildren(
    ...shown.rows.map(({ run, cells }) => {
      const row = document.createElement("tr");
      cells.forEach((cell, i) => {
        const td = document.createElement(i === 0 ? "th" : "td");
        if (i === 0) td.setAttribute("scope", "row");
        td.textContent = typeof cell === "number" ? figure(cell, 6) : (cell ?? "–");
        td.dataset.run = run;
        if (typeof cell === "number") td.title = String(cell);
        row.append(td);
      });
      return row;
    }),
  );
}

/** @param {HTMLElement} root @param {Instrument<any>} handle @param {string} name */
function addButtons(root, handle, name) {
  const saves = {
    PNG: async () => save(await handle.toPNG(), `${name}.png`),
    SVG: async () => save(textUrl(await handle.toSVG(), "image/svg+xml"), `${name}.svg`),
    CSV: async () => save(textUrl(handle.toCSV(), "text/csv"), `${name}.csv`),
  };
  const tools = root.querySelector(".instrument-tools");
  for (const [label, run] of Object.entries(saves)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.setAttribute("aria-label", `Save as ${label}`);
    button.onclick = () => void run();
    tools?.append(button);
  }
}

/** @param {string} text @param {string} type */
function textUrl(text, type) {
  return URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
}

/** @param {string} url @param {string} name */
function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  if (url.startsWith("blob:")) setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Lines of RFC 4180, numbers with all their digits. @param {Picture} shown */
function csv(shown) {
  const rows = shown.csvRows?.() ?? shown.rows.map(({ run, cells }) => [...cells, run]);
  const head = shown.csvHead ?? [...shown.head, "run"];
  return [head, ...rows].map((row) => row.map(quoted).join(",") + "\r\n").join("");
}

/** @param {Cell} cell */
function quoted(cell) {
  const text = cell === null ? "" : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
