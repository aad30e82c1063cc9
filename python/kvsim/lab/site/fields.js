// The field table of scenarios, from the engine's own description (field_schema.hpp), and changes
// to scenarios by dotted paths.

/**
 * @typedef {{
 *   path: string, name: string, unit: string, doc: string, type: string, nullable: boolean,
 *   default: any, min: number | null, max: number | null, exclusiveMin: boolean,
 *   choices: string[], kinds: string[],
 * }} Field
 */

const TYPES = /** @type {Record<string, string>} */ ({
  bool: "bool", int32: "int", int64: "int", uint64: "int", double: "float", string: "string",
  enum: "choice", struct: "object", variant: "object", name_or_struct: "string", list: "list",
});

/**
 * Every dotted path that a scenario can have.
 * @param {any} schema
 * @returns {Readonly<Record<string, Field>>}
 */
export function fieldTable(schema) {
  const structs = new Map(schema.structs.map((/** @type {any} */ s) => [s.name, s]));
  const enums = new Map(schema.enums.map((/** @type {any} */ e) => [e.name, e.values]));
  /** @type {Record<string, Field>} */
  const found = {};

  /** @param {string} struct @param {string} prefix @param {string[]} kinds */
  function walk(struct, prefix, kinds) {
    for (const field of structs.get(struct).fields) {
      const path = prefix + field.name;
      const nullable = field.type.type === "optional";
      const inner = nullable ? field.type.of : field.type;
      if (path in found) {
        found[path].kinds.push(...kinds); // the first kind's description stands for both
        continue;
      }
      const choices =
        inner.type === "enum" ? enums.get(inner.enum) : inner.type === "variant" ? inner.kinds : [];
      found[path] = {
        path, name: field.name, unit: field.unit, doc: field.doc, type: TYPES[inner.type], nullable,
        default: field.default, min: field.min, max: field.max,
        exclusiveMin: field.exclusive_min, choices: [...choices], kinds: [...kinds],
      };
      if (inner.struct) walk(inner.struct, `${path}.`, []);
      if (inner.type === "variant") {
        inner.structs.forEach((/** @type {string} */ name, /** @type {number} */ i) =>
          walk(name, `${path}.`, [inner.kinds[i]]),
        );
      }
    }
  }

  walk(schema.root, "", []);
  return found;
}

/**
 * Sets a field as the engine's json::set does: objects that are missing are made.
 * @param {any} root a scenario with its defaults, which is changed
 * @param {string} path
 * @param {any} value
 */
export function setPath(root, path, value) {
  const parts = path.split(".");
  let node = root;
  for (const part of parts.slice(0, -1)) {
    if (node[part] === null || typeof node[part] !== "object") node[part] = {};
    node = node[part];
  }
  node[/** @type {string} */ (parts.at(-1))] = value;
}

/**
 * Fails where a number would not reach the engine as it is.
 * @param {any} value
 * @param {string} path
 */
export function checkNumbers(value, path = "scenario") {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new RangeError(`${path}: got ${value}; allowed: a number`);
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 2 ** 64) {
      throw new RangeError(`${path}: got ${value}; allowed in a page: whole numbers below 2^53`);
    }
  } else if (value !== null && typeof value === "object") {
    for (const [name, inner] of Object.entries(value)) checkNumbers(inner, `${path}.${name}`);
  }
}

/**
 * The same value with the keys of every object in order, so that equal scenarios have equal text.
 * @param {any} value
 * @returns {any}
 */
export function ordered(value) {
  if (Array.isArray(value)) return value.map(ordered);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value).sort().map((key) => [key, ordered(value[key])]),
  );
}

/**
 * FNV-1a of 64 bits, as 16 hexadecimal digits.
 * @param {string} text
 */
export function hash(text) {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
  }
  return value.toString(16).padStart(16, "0");
}
