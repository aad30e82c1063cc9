// plotly.js, loaded when the first instrument is mounted, and the looks that instruments share.

import { assetUrl } from "../assets.js";

/** @type {Promise<any> | null} */
let loading = null;

/** @returns {Promise<any>} plotly.js's global object */
export function loadPlotly() {
  const present = Reflect.get(globalThis, "Plotly");
  if (present) return Promise.resolve(present);
  loading ??= assetUrl("vendor/plotly.min.js").then(
    (url) =>
      new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = url;
        script.onload = () => resolve(Reflect.get(globalThis, "Plotly"));
        script.onerror = () => reject(new Error("vendor/plotly.min.js did not load"));
        document.head.append(script);
      }),
  );
  return loading;
}

/** @typedef {"light" | "dark"} Theme */
/**
 * @typedef {{
 *   text: string, faint: string, grid: string, paper: string, blue: string, green: string,
 *   red: string, orange: string,
 * }} Palette
 */

/** @type {Record<Theme, Palette>} */
export const PALETTES = {
  light: {
    text: "#1a1d21", faint: "#5c6370", grid: "#e3e5e8", paper: "#ffffff",
    blue: "#006395", green: "#008F45", red: "#CB202D", orange: "#CC5500",
  },
  dark: {
    text: "#eceef1", faint: "#a8afba", grid: "#343a43", paper: "#181b20",
    blue: "#5db8e6", green: "#4fc786", red: "#ff7a83", orange: "#ffa05c",
  },
};

/** @param {Theme} theme @param {string} title */
export function baseLayout(theme, title) {
  const { text, paper } = PALETTES[theme];
  return {
    title: {
      text: title, x: 0, xref: "paper", y: 1, yref: "container", yanchor: "top", pad: { t: 12 },
      font: { size: 15 },
    },
    font: { family: "system-ui, sans-serif", size: 13, color: text },
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    margin: { l: 64, r: 24, t: 48, b: 52 },
    hoverlabel: { font: { size: 13 } },
    autosize: true,
  };
}

/** @param {Theme} theme @param {string} title @param {object} [more] */
export function axis(theme, title, more = {}) {
  const { grid, faint } = PALETTES[theme];
  return {
    title: { text: title, standoff: 8 }, gridcolor: grid, zerolinecolor: grid, linecolor: faint,
    ticks: "outside", tickcolor: faint, automargin: true, ...more,
  };
}

export const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };

/**
 * A figure as a reader wants it: about `digits` digits, no exponent where it can be helped.
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function figure(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e12 || (size > 0 && size < 1e-4)) return value.toExponential(digits - 1);
  return value.toLocaleString("en-US", {
    maximumSignificantDigits: size >= 10 ** (digits - 1) ? Math.ceil(Math.log10(size + 1)) : digits,
  });
}
