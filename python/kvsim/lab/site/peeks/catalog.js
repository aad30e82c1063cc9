/**
 * The catalogue's entry that a scenario names, or the one that it spells out.
 * @param {any[]} entries of the catalogue
 * @param {any} given a name or an object
 */
export function entryOf(entries, given) {
  if (typeof given === "object") return given;
  const found = entries.find((entry) => entry.name === given);
  if (!found) throw new Error(`no ${given} in the catalogue`);
  return found;
}
