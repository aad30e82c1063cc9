/**
 * The catalogue's entry of a scenario's model.
 * @param {any} scenario
 * @param {any[]} models
 */
export function modelOf(scenario, models) {
  if (typeof scenario.model === "object") return scenario.model;
  const found = models.find((m) => m.name === scenario.model);
  if (!found) throw new Error(`model: no ${scenario.model} in the catalogue`);
  return found;
}
