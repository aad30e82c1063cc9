import { math, number } from "../dom.js";
import { entryOf } from "./catalog.js";

/** @type {import("./peeks.js").Peek} */
export const allReduce = {
  id: "all_reduce",
  title: "All-reduce: what tensor parallelism costs",
  formula: () => [
    math("T", "=", "2", "L", "·", "(", "2", "(", "N", "−", "1", ")", "α", "+", ["mfrac", ["mrow", "2", "(", "N", "−", "1", ")"], "N"], "·", ["mfrac", "M", "β"], ")"),
  ],
  where: "Two all-reduces in each of L layers over N GPUs in a ring: M bytes of activations (tokens x hidden size x 2 bytes), α the time of a hop, β the link's bandwidth one way.",
  async rows({ run }, { models, gpus: catalog }) {
    const { scenario } = run;
    const model = entryOf(models, scenario.model);
    const gpu = entryOf(catalog, scenario.gpu);
    const gpus = scenario.tensor_parallel_size;
    const tokens = scenario.workload.lengths.prompt_tokens;
    const { link, link_latency_us: hop } = scenario.step_time;
    const beta = link === "pcie" ? gpu.pcie_bytes_per_s : gpu.link_bytes_per_s;
    const bytes = tokens * model.hidden_size * 2;
    const once = 2 * (gpus - 1) * 1e-6 * hop + ((2 * (gpus - 1)) / gpus) * (bytes / beta);
    const comm = run.waterfalls?.ttft?.mean?.parts_ms.comm ?? 0;
    return [
      ["GPUs N", number(gpus, "", run)],
      ["Layers L", number(model.layers, "", run)],
      ["Bytes M of a prompt's activations", number(bytes / 1e6, "MB", run)],
      ["Hop α", number(hop, "us", run)],
      ["Link β, one way", number(beta / 1e9, "GB/s", run)],
      ["The formula: all all-reduces of a prompt", number(1000 * 2 * model.layers * once, "ms", run)],
      ["The simulation: communication in the mean TTFT", number(comm, "ms", run)],
      ["Bisection bandwidth used, peak", number(run.summary.peak_bisection_utilization, "%", run)],
    ];
  },
  why: "The formula's link always runs at its data sheet's speed. The simulation uses all-reduces as they were measured (launch, synchronisation, bandwidth that is not reached), or formulas fitted to them; pipeline stages send activations too. The bisection is busy only while the all-reduces run, so its use in a step stays far below 100 %.",
};
