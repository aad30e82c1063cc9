import { math, number } from "../dom.js";

/** @type {import("./peeks.js").Peek} */
export const speculation = {
  id: "speculation",
  title: "Speculation: tokens a pass",
  formula: () => [
    math(["mi", "tokens a pass"], "=", ["mfrac", ["mrow", "1", "−", ["msup", "a", ["mrow", "g", "+", "1"]]], ["mrow", "1", "−", "a"]]),
    math(["mi", "speed-up"], "=", ["mfrac", ["mrow", "1", "−", ["msup", "a", ["mrow", "g", "+", "1"]]], ["mrow", "(", "1", "−", "a", ")", "(", "g", "c", "+", "1", ")"]]),
  ],
  where: "g drafted tokens, each accepted with chance a if all before it were; c the cost of a draft over that of a pass (Leviathan et al., 2023). The numbers compare the lab's users without speculation and with four drafted tokens.",
  async rows(_state, { engine }, lab) {
    const drafts = 4;
    const spec = { "engine.spec_method": "ngram", "engine.num_spec_tokens": drafts };
    const crowd = { "workload.arrivals.concurrency": lab.base.workload.arrivals.concurrency };
    const [plain, drafted, full, fullDrafted] = await engine.sweep(lab.base, [
      lab.cfo.base, { ...lab.cfo.base, ...spec }, { ...lab.cfo.base, ...crowd }, { ...lab.cfo.base, ...crowd, ...spec },
    ]);
    const share = drafted.summary.acceptance_rate ?? NaN;
    const chance = chanceFor(1 + drafts * share, drafts);
    const gain = (/** @type {any} */ a, /** @type {any} */ b) => b.summary.output_throughput / a.summary.output_throughput;
    return [
      ["Drafted tokens g", number(drafts, "", drafted)],
      ["Share of drafts accepted in the run", number(share, "%", drafted)],
      ["So tokens a pass", number(1 + drafts * share, "", drafted)],
      ["The chance a for which the formula says the same", number(chance, "", drafted)],
      ["The formula's speed-up with free drafts (c = 0)", number(1 + drafts * share, "times", drafted)],
      ["The simulation: gain in tokens a second, few users", number(gain(plain, drafted), "times", plain, drafted)],
      ["The simulation: the same with everybody online", number(gain(full, fullDrafted), "times", full, fullDrafted)],
    ];
  },
  why: "The formula takes a pass over g + 1 tokens to last as long as over one. That holds while the GPU waits for memory. With many users a pass is arithmetic, and refused drafts cost what accepted ones do; prompts are not sped up at all. The engine draws how many drafts are accepted evenly from none to all, so the chance of the formula is only an equivalent.",
};

/**
 * The a at which (1 - a^(g+1)) / (1 - a) is so many tokens, by bisection.
 * @param {number} tokens @param {number} drafts
 */
export function chanceFor(tokens, drafts) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 60; ++i) {
    const a = (low + high) / 2;
    if ((1 - a ** (drafts + 1)) / (1 - a) < tokens) low = a;
    else high = a;
  }
  return (low + high) / 2;
}
