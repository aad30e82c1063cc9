import { math, number } from "../dom.js";

/** @type {import("./peeks.js").Peek} */
export const speculation = {
  id: "speculation",
  title: "Speculation: tokens a pass",
  formula: () => [
    math(["mi", "tokens a pass"], "=", ["mfrac", ["mrow", "1", "−", ["msup", "a", ["mrow", "g", "+", "1"]]], ["mrow", "1", "−", "a"]]),
    math(["mi", "speed-up"], "=", ["mfrac", ["mrow", "1", "−", ["msup", "a", ["mrow", "g", "+", "1"]]], ["mrow", "(", "1", "−", "a", ")", "(", "g", "c", "+", "1", ")"]]),
  ],
  where: "g drafted tokens, each accepted with chance a if all before it were; c the cost of a draft over that of a pass (Leviathan et al., 2023). The numbers compare the lab's users without speculation and with three drafted tokens.",
  async rows(_state, { engine }, lab) {
    const drafts = 3;
    const control = lab.cfo.controls.find((/** @type {any} */ c) => c.id === "spec");
    const spec = { [control.path]: drafts, ...control.also[String(drafts)] };
    const chance = spec["engine.spec_acceptance"].alpha;
    const crowd = { "workload.arrivals.concurrency": lab.base.workload.arrivals.concurrency };
    const [plain, drafted, full, fullDrafted] = await engine.sweep(lab.base, [
      lab.cfo.base, { ...lab.cfo.base, ...spec }, { ...lab.cfo.base, ...crowd }, { ...lab.cfo.base, ...crowd, ...spec },
    ]);
    const share = drafted.summary.acceptance_rate ?? NaN;
    const tokens = (1 - chance ** (drafts + 1)) / (1 - chance);
    const gain = (/** @type {any} */ a, /** @type {any} */ b) => b.summary.output_throughput / a.summary.output_throughput;
    return [
      ["Drafted tokens g", number(drafts, "", drafted)],
      ["Chance a of a draft", number(chance, "", drafted)],
      ["The formula's tokens a pass, and its speed-up with free drafts (c = 0)", number(tokens, "", drafted)],
      ["Share of the drafts accepted in the run", number(share, "%", drafted)],
      ["So tokens a pass in the run", number(1 + drafts * share, "", drafted)],
      ["The simulation: gain in tokens a second, few users", number(gain(plain, drafted), "times", plain, drafted)],
      ["The simulation: the same with everybody online", number(gain(full, fullDrafted), "times", full, fullDrafted)],
    ];
  },
  why: "The formula takes a pass over g + 1 tokens to last as long as over one. That holds while the GPU waits for memory. With many users a pass is arithmetic, and refused drafts cost what accepted ones do; prompts are not sped up at all. The share of accepted drafts is below a, since all drafts after a refused one are lost.",
};
