import { math, number } from "../dom.js";
import { RATE } from "../engine.js";
import { getPath } from "../controls.js";

/** @type {import("./peeks.js").Peek} */
export const mm1 = {
  id: "mm1",
  title: "M/M/1: why 80 % is the ceiling",
  formula: () => [
    math(["msub", "W", "99"], "=", ["mfrac", ["mrow", "ln", "100"], ["mrow", "μ", "−", "λ"]], "=",
      ["mfrac", ["mrow", "ln", "100"], "μ"], "·", ["mfrac", "1", ["mrow", "1", "−", "ρ"]]),
  ],
  where: "λ arrivals a second, μ capacity, ρ = λ/μ load, W99 the P99 of waiting plus service (Kleinrock, 1975). At a load of 80 % the P99 is 5 times that of an empty system, at 90 % 10 times, at 99 % 100 times.",
  async rows({ run, frontier }, { engine }, lab) {
    const capacity = frontier?.capacity_per_s;
    if (!frontier || !capacity) throw new Error("The frontier has no capacity.");
    const from = frontier.capacity_run;
    const rate = getPath(run.scenario, RATE);
    const seconds = rate < capacity ? await engine.theory("mm1_sojourn_quantile_s", [rate, 1 / capacity, 0.99]) : null;
    return [
      ["Capacity μ, from a run with a permanent backlog", number(capacity, "/s", from)],
      ["Rate λ that is set", number(rate, "/s", run)],
      ["Load ρ = λ/μ", number(rate / capacity, "%", run, from)],
      ["The formula's P99", seconds === null ? "without bound: the load is above 1" : number(1000 * seconds, "ms", run, from)],
      ["The simulation's P99", number(run.summary[lab.metric], "ms", run)],
    ];
  },
  why: "The formula knows one server, exponential service times and nothing else. Real service is steadier or more varied; a server that batches works faster when more is waiting; a fan-out waits for the slowest of many queues; links and windows add time at any load. All of them keep the limit: at capacity the wait has no bound.",
};
