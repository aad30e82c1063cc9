// LatencyThroughputFrontier: a latency over the achieved rate, with capacity, knee and limits.

import { mountFrame } from "./frame.js";
import { PALETTES, axis, baseLayout, figure } from "./plotly.js";

/** @typedef {import("../engine.js").Frontier} Frontier */
/** @typedef {import("../engine.js").Run} Run */
/** @typedef {import("./plotly.js").Theme} Theme */
/** @typedef {{name: string, x: number[], y: number[]}} Curve a closed form to show beside it */
/**
 * @typedef {{
 *   title?: string, slo_ms?: number | null, curves?: Curve[], log?: boolean,
 * }} FrontierOptions
 */

const NAMES = /** @type {Record<string, string>} */ ({
  p99_ttft_ms: "P99 time to first token", p99_tpot_ms: "P99 time per output token",
  p99_e2el_ms: "P99 latency", "p99.9_e2el_ms": "P99.9 latency", mean_ttft_ms: "mean time to first token",
});
/** Filled: steady; open: the queue drifts up. The form tells it as well as the colour. */
const SYMBOLS = { ok: "circle", unstable: "diamond-open" };

/**
 * @param {HTMLElement} element
 * @param {{data: Frontier, ghost?: Frontier | null, options?: FrontierOptions, theme?: Theme}} given
 */
export function mount(element, given) {
  return mountFrame(element, given, picture, { keepsGhost: false });
}

/**
 * @param {{data: Frontier, ghost: Frontier | null, options: FrontierOptions, theme: Theme}} state
 * @returns {import("./frame.js").Picture}
 */
function picture({ data, ghost, options, theme }) {
  const name = NAMES[data.metric] ?? data.metric;
  const colours = PALETTES[theme];
  const shown = points(data);
  const traces = [
    ...(options.curves ?? []).map((curve) => ({
      x: curve.x, y: curve.y, name: curve.name, mode: "lines", hoverinfo: "skip",
      line: { color: colours.faint, dash: "dot", width: 1.5 },
    })),
    ...(ghost ? [series(points(ghost), "before", colours.faint, "dash")] : []),
    series(shown, "simulated", colours.blue, "solid"),
    ...(data.knee ? [kneeMark(data.knee, colours.orange)] : []),
  ];
  return {
    name: "frontier",
    caption: `${name} (ms) against the rate, one run of the simulator a row`,
    summary: summary(name, data),
    runs: [data.capacity_run.id, ...data.runs.map((run) => run.id)],
    traces,
    layout: layout(name, data, options, theme, shown.map((p) => p.y)),
    head: ["offered (1/s)", "achieved (1/s)", `${name} (ms)`, "status"],
    rows: data.runs.map((run, i) => ({
      run: run.id,
      cells: [
        data.offered_per_s[i], run.summary.request_throughput ?? null,
        run.summary[data.metric] ?? null, run.status,
      ],
    })),
  };
}

/** @param {Frontier} data */
function points(data) {
  return data.runs.flatMap((run, i) => {
    const x = run.summary.request_throughput;
    const y = run.summary[data.metric];
    return typeof x === "number" && typeof y === "number"
      ? [{ x, y, offered: data.offered_per_s[i], status: run.status, run: run.id }]
      : [];
  });
}

/** @param {ReturnType<typeof points>} shown @param {string} name @param {string} color @param {string} dash */
function series(shown, name, color, dash) {
  return {
    x: shown.map((p) => p.x),
    y: shown.map((p) => p.y),
    customdata: shown.map((p) => [p.offered, p.status, p.run]),
    name,
    mode: "lines+markers",
    line: { color, width: dash === "solid" ? 2.5 : 1.5, dash },
    marker: {
      color, size: dash === "solid" ? 9 : 6,
      symbol: shown.map((p) => (p.status === "unstable" ? SYMBOLS.unstable : SYMBOLS.ok)),
      line: { color, width: 2 },
    },
    hovertemplate:
      "offered %{customdata[0]:.4g}/s, achieved %{x:.4g}/s<br><b>%{y:.4g} ms</b>, " +
      "%{customdata[1]}<br>run %{customdata[2]}<extra>%{fullData.name}</extra>",
  };
}

/** @param {import("../engine.js").Knee} knee @param {string} color */
function kneeMark(knee, color) {
  return {
    x: [knee.achieved_per_s], y: [knee.latency_ms], name: "knee: five times the lowest load's",
    mode: "markers", marker: { symbol: "star", size: 16, color, line: { color, width: 1 } },
    hovertemplate: "knee at %{x:.4g}/s<br>%{y:.4g} ms<extra></extra>",
  };
}

/**
 * @param {string} name @param {Frontier} data @param {FrontierOptions} options @param {Theme} theme
 * @param {number[]} values
 */
function layout(name, data, options, theme, values) {
  const { text, red, faint } = PALETTES[theme];
  const lines = [];
  const labels = [];
  const capacity = data.capacity_per_s;
  for (const [share, label, dash] of /** @type {Array<[number, string, string]>} */ ([
    [0.8, "80 %", "dot"], [1, "capacity", "dash"],
  ])) {
    if (capacity === null) break;
    const x = share * capacity;
    lines.push({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: faint, dash, width: 1.5 } });
    labels.push({
      x, yref: "paper", y: 1, yanchor: "bottom", showarrow: false,
      text: share === 1 ? `${label} ${figure(capacity, 3)}/s` : label,
      font: { size: 12, color: text }, xanchor: share === 1 ? "left" : "right",
    });
  }
  if (typeof options.slo_ms === "number") {
    const y = options.slo_ms;
    lines.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: red, width: 2, dash: "longdash" } });
    labels.push({
      xref: "paper", x: 0, xanchor: "left", y: Math.log10(y), yanchor: "bottom", showarrow: false,
      text: `limit ${figure(y)} ms`, font: { size: 12, color: red },
    });
    if (options.log === false) labels[labels.length - 1].y = y;
  }
  const largest = Math.max(...values, 1e-9);
  const smallest = Math.min(...values, largest);
  return {
    ...baseLayout(theme, options.title ?? `${name} over load`),
    margin: { l: 64, r: 90, t: 78, b: 52 },
    xaxis: axis(theme, "achieved rate (requests/s)", { rangemode: "tozero" }),
    yaxis: axis(theme, `${name} (ms)`, options.log === false
      ? { rangemode: "tozero" }
      : { type: "log", ...logTicks(smallest, largest) }),
    shapes: lines,
    annotations: labels,
    legend: { orientation: "h", y: -0.22, x: 0 },
    hovermode: "closest",
  };
}

/** Ticks at 1, 2 and 5 times powers of ten, or at these alone over many. @param {number} low @param {number} high */
function logTicks(low, high) {
  const factors = high / low > 300 ? [1] : [1, 2, 5];
  const tickvals = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.log10(high) + 1; ++power) {
    tickvals.push(...factors.map((factor) => factor * 10 ** power));
  }
  return { tickmode: "array", tickvals, ticktext: tickvals.map((value) => figure(value)) };
}

/** @param {string} name @param {Frontier} data */
function summary(name, data) {
  const rates = data.runs.map((run) => run.summary[data.metric]).filter((v) => typeof v === "number");
  if (!rates.length) return `${name} over load: no point could be run. ${data.reason}`;
  const knee = data.knee ? `, knee at ${figure(data.knee.achieved_per_s, 3)} requests per second` : "";
  return (
    `${name} over load: from ${figure(rates[0])} to ${figure(rates.at(-1))} milliseconds, capacity ` +
    `${figure(data.capacity_per_s, 3)} requests per second${knee}. The table beneath has every point.`
  );
}
