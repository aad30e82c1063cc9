import { math, number } from "../dom.js";

/** @type {import("./peeks.js").Peek} */
export const ttftTpot = {
  id: "ttft_tpot",
  title: "TTFT against TPOT",
  formula: () => [math(["mi", "E2E"], "=", ["mi", "TTFT"], "+", "(", "n", "−", "1", ")", "·", ["mi", "TPOT"])],
  where: "TTFT: until the first token, queue and prompt included. TPOT: mean time of each further token. n output tokens. A reader wants a short TTFT and a TPOT below reading speed; the bill follows tokens a second.",
  async rows({ run }) {
    const s = run.summary;
    const outputs = (s.total_output_tokens ?? NaN) / (s.completed ?? NaN);
    const sum = (s.mean_ttft_ms ?? NaN) + (outputs - 1) * (s.mean_tpot_ms ?? NaN);
    return [
      ["Mean TTFT", number(s.mean_ttft_ms, "ms", run)],
      ["Output tokens of a request n, mean", number(outputs, "", run)],
      ["Mean TPOT", number(s.mean_tpot_ms, "ms", run)],
      ["The formula with these means", number(sum, "ms", run)],
      ["The simulation's mean E2E", number(s.mean_e2el_ms, "ms", run)],
    ];
  },
  why: "For each request the formula is exact. For means it is not: requests with many tokens and requests with slow tokens are not the same ones, and the mean of a product is not the product of the means.",
};
