// Names and units of the summary's figures as the page shows them, and what a summary says at a glance.

/** @typedef {import("./engine.js").Run} Run */

/** @type {Record<string, [string, string]>} */
const NAMES = {
  achieved_rate_per_s: ["Achieved rate", "/s"],
  output_throughput: ["Output tokens", "tokens/s"],
  request_goodput: ["Within the objective", "/s"],
  mean_ttft_ms: ["Mean TTFT", "ms"], p50_ttft_ms: ["Median TTFT", "ms"], p99_ttft_ms: ["P99 TTFT", "ms"],
  mean_tpot_ms: ["Mean TPOT", "ms"], p99_tpot_ms: ["P99 TPOT", "ms"],
  mean_e2el_ms: ["Mean latency", "ms"], p50_e2el_ms: ["Median latency", "ms"],
  p99_e2el_ms: ["P99 latency", "ms"], "p99.9_e2el_ms": ["P99.9 latency", "ms"],
  mean_running: ["Running at once, mean", "users"], max_running: ["Running at once, most", "users"],
  mean_batch: ["Requests a batch", ""], utilization: ["Busy", "%"],
  mean_token_slots: ["KV memory that holds tokens", "%"],
  mean_internal_slots: ["reserved and never used", "%"],
  mean_external_slots: ["in gaps too small", "%"], mean_cached_slots: ["free, kept as cache", "%"],
  prefix_hit_rate: ["Prompt found in the cache", "%"], preemptions: ["Preemptions", ""],
  mean_network_ms: ["Network, mean", "ms"], mean_queue_ms: ["Queue, mean", "ms"],
  mean_comm_ms: ["All-reduces, mean", "ms"],
  mean_power_mw: ["Power", "mW"], energy_per_request_mj: ["Energy a frame", "mJ"],
  hedge_percent: ["Second copies", "% of parts"], extra_work_percent: ["Extra work", "% of parts"],
  peak_bisection_utilization: ["Bisection bandwidth, peak", "%"],
  acceptance_rate: ["Drafts accepted", "%"],
};

/** @param {string} key @returns {[string, string]} label and unit */
export function metric(key) {
  return NAMES[key] ?? [key, ""];
}

const WORDS = /** @type {Record<string, string>} */ ({
  arrivals: "the arrivals: the system keeps up",
  kv_cache: "the KV memory",
  max_num_seqs: "the limit on requests in a batch",
  max_num_batched_tokens: "the token budget of a step",
  step_time: "the time of a step",
  gateway: "the batch window", dispatch: "waiting to be sent", network: "the network",
  queue: "the queue", service: "the service itself", frontend: "the front end", host: "the host",
  compute: "arithmetic", hbm: "memory traffic", comm: "communication", bubble: "bubbles",
  preempted: "being preempted", redo: "redone work",
  memory: "memory: it does not fit",
});

/** @param {string} word */
export function constraintText(word) {
  return WORDS[word] ?? word;
}

/**
 * The largest part of a run's mean latency, null if its requests were not kept.
 * @param {Run} run
 * @param {"ttft" | "e2e"} latency
 * @returns {string | null}
 */
export function largestPart(run, latency) {
  const parts = Object.entries(run.waterfalls?.[latency]?.mean?.parts_ms ?? {});
  return parts.length ? parts.reduce((most, part) => (part[1] > most[1] ? part : most))[0] : null;
}

const NO_QUEUE = 0.5;
const FULL = 0.95;

/**
 * What keeps waiting requests out, by the definition in docs/metrics.md; of one-shot servers, which
 * have none of these limits, the largest part of the mean latency.
 * @param {Run} run
 * @returns {string}
 */
export function bindingConstraint(run) {
  if (run.status === "infeasible") return "memory";
  const s = run.summary;
  const fleet = run.scenario.fleet;
  if (fleet && fleet.server?.kind === "one_shot") {
    const parts = ["gateway", "dispatch", "network", "queue", "compute"];
    const size = (/** @type {string} */ part) => s[`mean_${part}_ms`] ?? 0;
    const largest = parts.reduce((most, part) => (size(part) > size(most) ? part : most));
    return largest === "compute" ? "service" : largest;
  }
  const waiting = s.mean_waiting ?? 0;
  const oneMore = (s.max_kv_use ?? 0) + (s.mean_kv_use ?? 0) / (s.mean_running || 1);
  const engine = run.scenario.engine ?? {};
  if (waiting < NO_QUEUE) return "arrivals";
  if ((s.preemptions ?? 0) > 0 || oneMore >= 1) return "kv_cache";
  if ((s.max_running ?? 0) >= (engine.max_num_seqs ?? 256)) return "max_num_seqs";
  if ((s.mean_tokens_per_step ?? 0) >= FULL * (engine.max_num_batched_tokens ?? 8192)) {
    return "max_num_batched_tokens";
  }
  return "step_time";
}
