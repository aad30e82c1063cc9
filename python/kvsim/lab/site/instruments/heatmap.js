// KVCacheHeatmap: what every place of the KV memory holds over time, and how much there is of each.

import { mountFrame } from "./frame.js";
import { PALETTES, axis, baseLayout, figure } from "./plotly.js";

/** @typedef {import("../engine.js").Run} Run */
/** @typedef {import("./plotly.js").Theme} Theme */
/** @typedef {{title?: string}} HeatmapOptions */

/**
 * Classes of a slot by number: name, colour, pattern of its area, column. The lightness falls from
 * free to tokens, so that the picture reads in grey; areas have patterns too.
 * @type {Array<[string, string, string, string]>}
 */
const CLASSES = [
  ["free", "#F4F4F2", "", "free_slots"],
  ["holds a token", "#0072B2", "", "token_slots"],
  ["reserved for later", "#7DB9DE", "/", "reserved_slots"],
  ["internal waste", "#D55E00", "x", "internal_slots"],
  ["rounding", "#E8A33D", "\\", "rounding_slots"],
  ["external fragmentation", "#6B2C00", ".", "external_slots"],
  ["cached prefix", "#6FC3A0", "|", "cached_slots"],
];
/** From bottom to top: what is of use first. */
const STACK = [1, 2, 6, 3, 4, 5, 0];
const MOST_CELLS = { rows: 256, columns: 320 };
const TABLE_ROWS = 12;

/**
 * @param {HTMLElement} element
 * @param {{data: Run, ghost?: Run | null, options?: HeatmapOptions, theme?: Theme}} given
 */
export function mount(element, given) {
  return mountFrame(element, given, picture, { keepsGhost: false });
}

/**
 * @param {{data: Run, options: HeatmapOptions, theme: Theme}} state
 * @returns {import("./frame.js").Picture}
 */
function picture({ data, options, theme }) {
  const c = data.columns.heatmap ?? {};
  const moments = c.t_ns?.length ?? 0;
  const shares = CLASSES.map(([, , , column]) => sharesOf(c, column, moments));
  const used = STACK.filter((k) => shares[k].some((share) => share > 0));
  const times = Array.from(c.t_ns ?? [], (t) => t / 1e9);
  const last = (/** @type {number} */ k) => mean(shares[k]);
  const parts = used.map((k) => `${CLASSES[k][0]} ${figure(last(k), 3)} %`).join(", ");
  return {
    name: "kv-cache-heatmap",
    caption: "Share of the KV memory in each class (%), at moments spread over the run",
    summary: moments
      ? `KV memory over ${figure(times.at(-1), 3)} seconds, mean shares: ${parts}.`
      : `KV memory: no picture, the run is ${data.status}. ${data.reason}`,
    runs: [data.id],
    traces: moments ? [cells(c, times, theme), ...areas(used, shares, times, theme)] : [],
    layout: layout(data, moments, options, theme),
    head: ["time (s)", ...used.map((k) => `${CLASSES[k][0]} (%)`)],
    rows: picked(moments, TABLE_ROWS).map((i) => ({
      run: data.id, cells: [times[i], ...used.map((k) => shares[k][i])],
    })),
    csvHead: ["t_ns", ...CLASSES.map(([, , , column]) => column), "preemptions", "evictions", "run"],
    csvRows: () =>
      Array.from({ length: moments }, (_, i) => [
        c.t_ns[i], ...CLASSES.map(([, , , column]) => c[column][i]), c.preemptions[i],
        c.evictions[i], data.id,
      ]),
  };
}

/** @param {Record<string, ArrayLike<number>>} c @param {string} column @param {number} moments */
function sharesOf(c, column, moments) {
  return Array.from({ length: moments }, (_, i) => {
    const total = CLASSES.reduce((sum, [, , , name]) => sum + c[name][i], 0);
    return total ? (100 * c[column][i]) / total : 0;
  });
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((a, b) => a + b, 0) / (values.length || 1);
}

/** At most `most` indices of `count`, evenly apart. @param {number} count @param {number} most */
function picked(count, most) {
  const number = Math.min(count, most);
  return Array.from({ length: number }, (_, i) =>
    number === 1 ? 0 : Math.round((i * (count - 1)) / (number - 1)),
  );
}

/** @param {Record<string, ArrayLike<number>>} c @param {number[]} times @param {Theme} theme */
function cells(c, times, theme) {
  const rows = picked(c.row_slot.length, MOST_CELLS.rows);
  const columns = picked(times.length, MOST_CELLS.columns);
  const height = c.row_slot.length;
  const at = (/** @type {number} */ row, /** @type {number} */ column) => column * height + row;
  const z = rows.map((r) => columns.map((m) => c.slot_class[at(r, m)]));
  const owners = rows.map((r) => columns.map((m) => {
    const owner = c.owner[at(r, m)];
    return CLASSES[c.slot_class[at(r, m)]][0] + (owner < 0 ? "" : `, request ${owner}`);
  }));
  const steps = CLASSES.flatMap(([, colour], k) => [
    [k / CLASSES.length, colour], [(k + 1) / CLASSES.length, colour],
  ]);
  return {
    type: "heatmap", x: columns.map((m) => times[m]), y: rows.map((r) => c.row_slot[r]), z,
    text: owners, zmin: -0.5, zmax: CLASSES.length - 0.5, colorscale: steps, showscale: false,
    xaxis: "x", yaxis: "y", hovertemplate: "%{x:.3g} s, slot %{y:,}<br><b>%{text}</b><extra></extra>",
    hoverlabel: { bgcolor: PALETTES[theme].paper, font: { color: PALETTES[theme].text } },
  };
}

/** @param {number[]} used @param {number[][]} shares @param {number[]} times @param {Theme} theme */
function areas(used, shares, times, theme) {
  return used.map((k) => {
    const [name, color, shape] = CLASSES[k];
    return {
      x: times, y: shares[k], name: `${name}: ${figure(mean(shares[k]), 3)} %`, stackgroup: "memory",
      xaxis: "x", yaxis: "y2", mode: "lines", line: { width: 0.8, color: PALETTES[theme].text },
      fillcolor: color,
      fillpattern: { shape, fgcolor: "#222222", bgcolor: color, size: 7, solidity: 0.25 },
      hovertemplate: `${name}: %{y:.3g} %<extra></extra>`,
    };
  });
}

/** @param {Run} data @param {number} moments @param {HeatmapOptions} options @param {Theme} theme */
function layout(data, moments, options, theme) {
  const { red } = PALETTES[theme];
  return {
    ...baseLayout(theme, options.title ?? "KV memory over time"),
    height: 560,
    margin: { l: 76, r: 24, t: 48, b: 52 },
    grid: { rows: 2, columns: 1 },
    xaxis: axis(theme, "time (s)", { anchor: "y2", rangemode: "tozero", showgrid: false }),
    yaxis: axis(theme, "slot (token)", { domain: [0.42, 1], separatethousands: true, showgrid: false }),
    yaxis2: axis(theme, "share (%)", { domain: [0, 0.35], range: [0, 100] }),
    legend: { orientation: "h", y: -0.16, x: 0, traceorder: "normal", title: { text: "mean over the run" } },
    hovermode: "closest",
    annotations: moments ? [] : [{
      xref: "paper", yref: "paper", x: 0.5, y: 0.6, showarrow: false, font: { size: 15, color: red },
      text: `No picture: the run is ${data.status}` + (data.status === "ok" ? " and kept none (record_memory)" : ""),
    }],
  };
}
