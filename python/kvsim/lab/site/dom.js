// Elements, numbers and texts. Every number of a run is shown by `number`, which carries the run's id.

/** @typedef {import("./engine.js").Run} Run */
/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Makes an element: attributes by name, `on<event>` as listeners, null and false left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

/** @param {Node} parent @param {Array<Child | Child[]>} children */
export function append(parent, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** @param {Element} parent @param {...(Child | Child[])} children */
export function replace(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/**
 * A number to read: three to four significant digits, thousands separated.
 * @param {number | null | undefined} value
 * @param {string} [unit]
 */
export function format(value, unit = "") {
  if (value === null || value === undefined || !Number.isFinite(value)) return "none";
  const shown = unit === "%" ? value * 100 : value;
  const size = Math.abs(shown);
  const text = shown.toLocaleString("en-US", size >= 1000 || Number.isInteger(shown)
    ? { maximumFractionDigits: 0 }
    : { maximumSignificantDigits: size >= 100 ? 4 : 3 });
  if (unit === "%") return `${text} %`;
  return unit ? `${text} ${unit}` : text;
}

/**
 * A number that one or several runs gave.
 * @param {number | null | undefined} value
 * @param {string} unit
 * @param {...Run} runs
 */
export function number(value, unit, ...runs) {
  return h(
    "data",
    { class: "num", value: String(value), "data-run": runs.map((run) => run.id).join(" ") },
    format(value, unit),
  );
}

/**
 * A text with values at its places in braces.
 * @param {string} text
 * @param {Record<string, Child>} values
 */
export function fill(text, values) {
  const parts = text.split(/\{(\w+)\}/);
  const out = document.createDocumentFragment();
  parts.forEach((part, i) => {
    const value = i % 2 ? values[part] : part;
    if (i % 2 && value === undefined) throw new Error(`no value for {${part}} in: ${text}`);
    append(out, [value instanceof Node ? value.cloneNode(true) : value]);
  });
  return out;
}

/** @param {string[]} texts */
export function paragraphs(texts) {
  return texts.map((text) => h("p", {}, text));
}

/** @param {string[]} items @param {"ul" | "ol"} [tag] */
export function list(items, tag = "ul") {
  return h(tag, {}, items.map((item) => h("li", {}, item)));
}

/**
 * A table with a caption; the first cell of a row is its header.
 * @param {string} caption
 * @param {Child[]} head
 * @param {Child[][]} rows
 * @param {Record<string, any>} [attributes]
 */
export function table(caption, head, rows, attributes = {}) {
  return h(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": caption, ...attributes },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, head.map((cell) => h("th", { scope: "col" }, cell)))),
      h("tbody", {}, rows.map((row) =>
        h("tr", {}, row.map((cell, i) => (i ? h("td", {}, cell) : h("th", { scope: "row" }, cell)))),
      )),
    ),
  );
}

/**
 * MathML from a short notation: a nested array [tag, ...children]; strings become operators,
 * numbers or names by their look.
 * @typedef {string | [string, ...any[]]} MathNode
 * @param {...MathNode} nodes
 */
export function math(...nodes) {
  const ns = "http://www.w3.org/1998/Math/MathML";
  /** @param {any} node @returns {Element} */
  function build(node) {
    if (Array.isArray(node)) {
      const element = document.createElementNS(ns, node[0]);
      for (const child of node.slice(1)) element.appendChild(build(child));
      return element;
    }
    const tag = /^[\d.]+$/.test(node) ? "mn" : /^[\p{L}][\p{L}\d ]*$/u.test(node) ? "mi" : "mo";
    const element = document.createElementNS(ns, tag);
    element.textContent = node;
    return element;
  }
  const root = document.createElementNS(ns, "math");
  root.setAttribute("display", "block");
  for (const node of nodes) root.appendChild(build(node));
  return root;
}

/** @param {string} name @param {string} text */
export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
