// LatencyWaterfall: the parts of a latency one after the other, before an outline of the run before.

import { mountFrame } from "./frame.js";
import { PALETTES, axis, baseLayout, figure } from "./plotly.js";

/** @typedef {import("../engine.js").Run} Run */
/** @typedef {import("./plotly.js").Theme} Theme */
/**
 * @typedef {{
 *   title?: string, metric?: "ttft" | "e2e", which?: "mean" | "p50" | "p99",
 *   limit_ms?: number | null,
 * }} WaterfallOptions
 */

/** Name, colour and pattern; neighbours differ in lightness, the pattern tells them apart in grey. */
const LOOKS = /** @type {Record<string, [string, string, string]>} */ ({
  gateway: ["gateway", "#F2E6CC", "."],
  dispatch: ["dispatch", "#B8A99A", ""],
  network: ["network", "#F2D98C", "/"],
  frontend: ["front end", "#D9D9D9", ""],
  queue: ["queue", "#8C8C8C", "/"],
  host: ["host", "#CC79A7", ""],
  compute: ["compute", "#0072B2", ""],
  hbm: ["memory (HBM)", "#56B4E9", "\\"],
  comm: ["communication", "#E69F00", ""],
  bubble: ["bubble", "#FFFFFF", "x"],
  preempted: ["preempted", "#009E73", "/"],
  redo: ["redone work", "#D55E00", "."],
});
const LATENCIES = { ttft: "TTFT", e2e: "E2E latency" };
const WHICH = { mean: "mean", p50: "median", p99: "P99" };

/**
 * @param {HTMLElement} element
 * @param {{data: Run, ghost?: Run | null, options?: WaterfallOptions, theme?: Theme}} given
 */
export function mount(element, given) {
  return mountFrame(element, given, picture, { keepsGhost: true });
}

/**
 * @param {{data: Run, ghost: Run | null, options: WaterfallOptions, theme: Theme}} state
 * @returns {import("./frame.js").Picture}
 */
function picture({ data, ghost, options, theme }) {
  const now = partsOf(data, options);
  const before = ghost ? partsOf(ghost, options) : null;
  const names = Object.keys(LOOKS).filter((n) => (now[n] ?? 0) > 0 || (before?.[n] ?? 0) > 0);
  const latency = `${WHICH[options.which ?? "p99"]} ${LATENCIES[options.metric ?? "ttft"]}`;
  const failed = Object.keys(now).length === 0;
  const total = sum(now);
  const labels = [...names.map((n) => LOOKS[n][0]), "total"];
  return {
    name: "waterfall",
    caption: `${latency}: its parts in ms` + (before ? ", and in the run before" : ""),
    summary:
      data.status === "ok" || data.status === "unstable"
        ? `${latency} ${figure(total)} milliseconds: ` +
          names.map((n) => `${LOOKS[n][0]} ${figure(now[n] ?? 0)}`).join(", ")
        : `${latency}: none, the run is ${data.status}. ${data.reason}`,
    runs: ghost ? [data.id, ghost.id] : [data.id],
    traces: bars(names, labels, now, before, theme, failed),
    layout: layout(latency, labels, names, before, total, data, options, theme,
      failed ? [] : numbers(names, labels, now, before, theme)),
    head: ["part", "ms", ...(before ? ["before (ms)", "change (ms)"] : [])],
    rows: [...names, null].map((n) => {
      const value = failed ? null : n === null ? total : (now[n] ?? 0);
      const was = before && (n === null ? sum(before) : (before[n] ?? 0));
      const label = n === null ? "total" : LOOKS[n][0];
      return { run: data.id, cells: [label, value, ...(was === null ? [] : [was, value === null ? null : value - was])] };
    }),
  };
}

/** @param {Run} run @param {WaterfallOptions} options @returns {Record<string, number>} */
function partsOf(run, { metric = "ttft", which = "p99" }) {
  return run.waterfalls?.[metric]?.[which]?.parts_ms ?? {};
}

/** @param {Record<string, number>} parts */
function sum(parts) {
  return Object.values(parts).reduce((a, b) => a + b, 0);
}

/** Where each part begins. @param {string[]} names @param {Record<string, number>} parts */
function starts(names, parts) {
  let at = 0;
  return names.map((n) => {
    const start = at;
    at += parts[n] ?? 0;
    return start;
  });
}

/**
 * @param {string[]} names @param {string[]} labels @param {Record<string, number>} now
 * @param {Record<string, number> | null} before @param {Theme} theme
 * @param {boolean} failed then there is nothing to say of any part
 */
function bars(names, labels, now, before, theme, failed) {
  const { text, faint } = PALETTES[theme];
  const values = [...names.map((n) => now[n] ?? 0), sum(now)];
  const was = before && [...names.map((n) => before[n] ?? 0), sum(before)];
  const base = [...starts(names, now), 0];
  // A trace a bar: a pattern's colours cannot be lists.
  return labels.map((label, i) => {
    const [, color, shape] = LOOKS[names[i]] ?? ["total", faint, ""];
    return {
      type: "bar", orientation: "h", y: [label], x: [values[i]], base: [base[i]], width: 0.62,
      marker: {
        color, line: { color: text, width: 1 },
        pattern: { shape, fillmode: "overlay", fgcolor: "#333333", size: 7, solidity: 0.25 },
      },
      hoverinfo: failed ? "skip" : undefined, showlegend: false,
      hovertemplate: failed ? undefined :
        `${label}<br><b>${figure(values[i], 5)} ms</b>` +
        (was ? `<br>before ${figure(was[i], 5)} ms` : "") + "<extra></extra>",
    };
  });
}

/**
 * The numbers, to the right of the bar and of the outline of the run before, which would cross
 * them; on the paper's colour, since a limit may stand there.
 * @param {string[]} names @param {string[]} labels @param {Record<string, number>} now
 * @param {Record<string, number> | null} before @param {Theme} theme
 */
function numbers(names, labels, now, before, theme) {
  const { text, paper } = PALETTES[theme];
  const end = (/** @type {Record<string, number>} */ parts, /** @type {number} */ i) =>
    i < names.length ? starts(names, parts)[i] + (parts[names[i]] ?? 0) : sum(parts);
  const size = (/** @type {Record<string, number>} */ parts, /** @type {number} */ i) =>
    i < names.length ? (parts[names[i]] ?? 0) : sum(parts);
  return labels.map((label, i) => ({
    x: Math.max(end(now, i), before && size(before, i) > 0 ? end(before, i) : 0), y: label,
    xanchor: "left", yanchor: "middle", xshift: 3, borderpad: 1, showarrow: false,
    text: `${figure(size(now, i), 3)} ms${before ? change(size(now, i) - size(before, i)) : ""}`,
    font: { color: text }, bgcolor: paper,
  }));
}

/** @param {number} difference */
function change(difference) {
  if (difference === 0) return "";
  return ` (${difference > 0 ? "+" : "−"}${figure(Math.abs(difference), 3)})`;
}

/**
 * @param {string} latency @param {string[]} labels @param {string[]} names
 * @param {Record<string, number> | null} before @param {number} total @param {Run} data
 * @param {WaterfallOptions} options @param {Theme} theme @param {any[]} annotations of the bars
 */
function layout(latency, labels, names, before, total, data, options, theme, annotations) {
  const { text, red } = PALETTES[theme];
  /** @type {any[]} */
  const shapes = before ? outlines(names, before, text) : [];
  if (before) {
    annotations.push({
      xref: "paper", yref: "paper", x: 1, y: 1.07, xanchor: "right", yanchor: "bottom",
      showarrow: false, text: `┄ before: ${figure(sum(before), 3)} ms`, font: { size: 12, color: text },
    });
  }
  const limit = options.limit_ms;
  if (typeof limit === "number") {
    shapes.push({ type: "line", x0: limit, x1: limit, yref: "paper", y0: 0, y1: 1, line: { color: red, dash: "longdash", width: 2 } });
    annotations.push({ x: limit, yref: "paper", y: 1, yanchor: "bottom", xanchor: "left", showarrow: false, text: `limit ${figure(limit)} ms`, font: { size: 12, color: red } });
  }
  if (total === 0) {
    annotations.push({
      xref: "paper", yref: "paper", x: 0.5, y: 0.5, showarrow: false, font: { size: 15, color: red },
      text: `No latency: the run is ${data.status}`,
    });
  }
  const longest = Math.max(total, before ? sum(before) : 0, limit ?? 0) || 1;
  return {
    ...baseLayout(theme, options.title ?? `${latency}: where it goes`),
    xaxis: axis(theme, "time (ms)", { range: [0, 1.3 * longest], separatethousands: true }),
    yaxis: axis(theme, "", { autorange: "reversed", type: "category", categoryarray: labels, showgrid: false }),
    margin: { l: 120, r: 24, t: 76, b: 52 },
    barmode: "overlay",
    shapes,
    annotations,
  };
}

/** The run before as dashed outlines. @param {string[]} names @param {Record<string, number>} before @param {string} color */
function outlines(names, before, color) {
  const begin = [...starts(names, before), 0];
  const size = [...names.map((n) => before[n] ?? 0), sum(before)];
  return size.flatMap((width, row) =>
    width > 0
      ? [{
          type: "rect", x0: begin[row], x1: begin[row] + width, y0: row - 0.43, y1: row + 0.43,
          line: { color, dash: "dash", width: 1.5 }, fillcolor: "rgba(0,0,0,0)", layer: "above",
        }]
      : [],
  );
}
