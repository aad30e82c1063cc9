import { math, number } from "../dom.js";

const Q = 0.999;

/** @type {import("./peeks.js").Peek} */
export const fanOut = {
  id: "fan_out",
  title: "Fan-out: the slowest of many",
  formula: () => [
    math("P", "(", ["mi", "any slow"], ")", "=", "1", "−", ["msup", ["mrow", "(", "1", "−", "p", ")"], "n"]),
    math(["msub", "q", ["mi", "part"]], "=", ["msup", "q", ["mrow", "1", "/", "n"]]),
  ],
  where: "p: chance that one part is slow; n parts. The loop keeps its quantile q only if each part keeps the quantile q to the power 1/n (Dean and Barroso, 2013).",
  async rows({ run }, { engine }) {
    const parts = run.scenario.fleet.fan_out.parts;
    return [
      ["Parts n", number(parts, "", run)],
      ["Chance that a loop meets a part beyond its P99", number(await engine.theory("any_slow_probability", [0.01, parts]), "%", run)],
      ["A part may miss the loop's P99.9 once in so many frames", number(1 / (1 - (await engine.theory("leaf_quantile", [Q, parts]))), "", run)],
      ["The simulation's median of the loop", number(run.summary.p50_e2el_ms, "ms", run)],
      ["The simulation's P99.9 of the loop", number(run.summary["p99.9_e2el_ms"], "ms", run)],
      ["Second copies sent", number(run.summary.hedge_percent, "% of the parts", run)],
    ];
  },
  why: "The formula takes parts as independent. In the simulation the parts of a loop share a moment: when an accelerator is late for one loop, the next loop finds a queue. Hedging changes the law of a part, which the formula does not know.",
};
