import { math, number } from "../dom.js";
import { costPerMillion } from "../parts/challenge.js";

const TRAINING_USD = 2e6;
const USERS = 1e6;
const QUERIES_A_DAY = 50;

/** @type {import("./peeks.js").Peek} */
export const cost = {
  id: "cost",
  title: "Serving cost dominance law",
  formula: () => [math("C", "=", ["msub", "C", ["mi", "train"]], "+", "c", "·", "T", "·", "Q")],
  where: "C over a life: training once, then c USD a query, Q queries a day for T days. Put in: 2 million USD of training, 1 million users with 50 queries a day (the chapter's example), and this run's cost of a query.",
  async rows({ run }, _context, lab) {
    const perMillion = costPerMillion(run, lab.cfo.price_usd_per_gpu_h);
    if (perMillion === null) throw new Error("This run produced nothing, so a query has no cost.");
    const outputs = (run.summary.total_output_tokens ?? NaN) / (run.summary.completed ?? NaN);
    const query = (perMillion / 1e6) * outputs;
    const daily = query * USERS * QUERIES_A_DAY;
    return [
      ["USD a million output tokens", number(perMillion, "USD", run)],
      ["Output tokens of a query, mean", number(outputs, "", run)],
      ["USD a query, c", number(query, "USD", run)],
      ["USD a year, c T Q", number(daily * 365, "USD", run)],
      ["That over the training", number((daily * 365) / TRAINING_USD, "times", run)],
      ["Days until serving has cost as much as training", number(TRAINING_USD / daily, "days", run)],
    ];
  },
  why: "The chapter's 0.001 USD a query is an assumption; here c follows from the run: the price of a GPU hour over what the GPU did in that hour. A GPU that idles costs the same, so c falls with load until the P99 forbids more. Prices are assumed, power and staff are not in it.",
};
