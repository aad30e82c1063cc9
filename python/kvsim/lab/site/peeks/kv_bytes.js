import { math, number } from "../dom.js";
import { entryOf } from "./catalog.js";

/** @type {import("./peeks.js").Peek} */
export const kvBytes = {
  id: "kv_bytes",
  title: "KV bytes: what a user weighs",
  formula: () => [
    math(["mi", "bytes a token"], "=", "2", "·", "L", "·", ["msub", "h", ["mi", "kv"]], "·", "d", "·", "b"),
    math(["mi", "users"], "=", ["mo", "⌊"], ["mfrac", ["mi", "KV memory"], ["mrow", ["mi", "tokens a user"], "·", ["mi", "bytes a token"]]], ["mo", "⌋"]),
  ],
  where: "Keys and values (2) of L layers with h KV heads of d numbers of b bytes, over the GPUs that share a layer. KV memory is what weights, activations and the runtime leave.",
  async rows({ run }, { models, engine }) {
    const { scenario, kv_budget: budget } = run;
    const model = entryOf(models, scenario.model);
    if (!budget.kv_bytes) throw new Error("The model does not fit, so no memory is left for keys and values.");
    const longest = scenario.engine.max_model_len ?? model.max_position_embeddings;
    const reserved = await engine.theory("users_that_fit", [budget.kv_bytes, 0, 0, budget.kv_bytes_per_token, longest]);
    return [
      ["Layers L", number(model.layers, "", run)],
      ["KV heads h", number(model.kv_heads, "", run)],
      ["Size of a head d", number(model.head_dim, "", run)],
      ["The formula: bytes a token (16-bit KV)", number((2 * model.layers * model.kv_heads * model.head_dim * 2) / scenario.tensor_parallel_size, "B", run)],
      ["The engine: bytes a token", number(budget.kv_bytes_per_token, "B", run)],
      ["Weights", number(budget.weight_bytes / 1e9, "GB", run)],
      ["KV memory that is left", number(budget.kv_bytes / 1e9, "GB", run)],
      ["Tokens that fit", number(budget.usable_tokens, "", run)],
      ["Users, if each reserves the longest context", number(reserved, "", run)],
      ["The simulation: users running at once, mean", number(run.summary.mean_running, "", run)],
    ];
  },
  why: "The formula counts users who all have reached their full length. Running users are of all ages and hold less; shared beginnings are held once; a limit on the batch, the time of a step or too few users online may bind before the memory does.",
};
