// The names of everything in a Result, once: visit(name, member) for each, in order. What writes
// results for other programs (bindings, JSON) goes through here.
#pragma once

#include "kvsim/result.hpp"

namespace kvsim {

template <class Visit>
void for_each_column(const RequestColumns& c, Visit&& visit) {
  visit("arrival_ns", c.arrival_ns);
  visit("scheduled_ns", c.scheduled_ns);
  visit("first_token_ns", c.first_token_ns);
  visit("finish_ns", c.finish_ns);
  visit("prompt_tokens", c.prompt_tokens);
  visit("output_tokens", c.output_tokens);
  visit("num_preemptions", c.num_preemptions);
  visit("cached_tokens", c.cached_tokens);
  visit("finish_reason", c.finish_reason);
  visit("frontend_ns", c.frontend_ns);
  visit("queue_ns", c.queue_ns);
  visit("host_ns", c.host_ns);
  visit("compute_ns", c.compute_ns);
  visit("hbm_ns", c.hbm_ns);
  visit("comm_ns", c.comm_ns);
  visit("preempted_ns", c.preempted_ns);
  visit("redo_ns", c.redo_ns);
  visit("bubble_ns", c.bubble_ns);
  visit("ttft_host_ns", c.ttft_host_ns);
  visit("ttft_compute_ns", c.ttft_compute_ns);
  visit("ttft_hbm_ns", c.ttft_hbm_ns);
  visit("ttft_comm_ns", c.ttft_comm_ns);
  visit("ttft_preempted_ns", c.ttft_preempted_ns);
  visit("ttft_redo_ns", c.ttft_redo_ns);
  visit("ttft_bubble_ns", c.ttft_bubble_ns);
  visit("gateway_ns", c.gateway_ns);
  visit("dispatch_ns", c.dispatch_ns);
  visit("network_ns", c.network_ns);
  visit("server", c.server);
  visit("copies", c.copies);
  visit("outcome", c.outcome);
}

template <class Visit>
void for_each_column(const FleetEventColumns& c, Visit&& visit) {
  visit("t_ns", c.t_ns);
  visit("kind", c.kind);
  visit("server", c.server);
  visit("outstanding", c.outstanding);
  visit("request", c.request);
}

template <class Visit>
void for_each_total(const FleetTotals& t, Visit&& visit) {
  if (t.servers == 0) return;
  visit("servers", t.servers);
  visit("workers", t.workers);
  visit("sub_requests", t.sub_requests);
  visit("hedges", t.hedges);
  visit("hedge_wins", t.hedge_wins);
  visit("cancelled", t.cancelled);
  visit("retries", t.retries);
  visit("rejected", t.rejected);
  visit("lost", t.lost);
  visit("deadline_misses", t.deadline_misses);
  visit("batches", t.batches);
  visit("served", t.served);
  visit("wakeups", t.wakeups);
  visit("packets", t.packets);
}

template <class Visit>
void for_each_column(const StepColumns& c, Visit&& visit) {
  visit("t_ns", c.t_ns);
  visit("dur_ns", c.dur_ns);
  visit("host_ns", c.host_ns);
  visit("compute_ns", c.compute_ns);
  visit("hbm_ns", c.hbm_ns);
  visit("comm_ns", c.comm_ns);
  visit("scheduled", c.scheduled);
  visit("tokens", c.tokens);
  visit("running", c.running);
  visit("waiting", c.waiting);
  visit("free_blocks_scheduled", c.free_blocks_scheduled);
  visit("free_blocks_end", c.free_blocks_end);
  visit("preempted", c.preempted);
  visit("context", c.context);
  visit("bisection_utilization", c.bisection_utilization);
  visit("blocks_hash", c.blocks_hash);
  visit("preempted_offset", c.preempted_offset);
  visit("preempted_request", c.preempted_request);
  visit("preempted_computed", c.preempted_computed);
  visit("preempted_in_flight", c.preempted_in_flight);
  visit("start_ns", c.start_ns);
  visit("end_ns", c.end_ns);
  visit("processed_ns", c.processed_ns);
  visit("in_flight", c.in_flight);
}

template <class Visit>
void for_each_column(const EntryColumns& c, Visit&& visit) {
  visit("step", c.step);
  visit("request", c.request);
  visit("computed", c.computed);
  visit("tokens", c.tokens);
  visit("drafts", c.drafts);
  visit("sampled", c.sampled);
  visit("kind", c.kind);
  visit("fate", c.fate);
}

template <class Visit>
void for_each_column(const HeatmapColumns& c, Visit&& visit) {
  visit("t_ns", c.t_ns);
  visit("preemptions", c.preemptions);
  visit("evictions", c.evictions);
  visit("token_slots", c.token_slots);
  visit("reserved_slots", c.reserved_slots);
  visit("internal_slots", c.internal_slots);
  visit("rounding_slots", c.rounding_slots);
  visit("external_slots", c.external_slots);
  visit("cached_slots", c.cached_slots);
  visit("free_slots", c.free_slots);
  visit("row_slot", c.row_slot);
  visit("slot_class", c.slot_class);
  visit("owner", c.owner);
}

template <class Visit>
void for_each_total(const RunTotals& t, Visit&& visit) {
  visit("start_ns", t.start_ns);
  visit("end_ns", t.end_ns);
  visit("busy_ns", t.busy_ns);
  visit("host_ns", t.terms.host_ns);
  visit("compute_ns", t.terms.compute_ns);
  visit("hbm_ns", t.terms.hbm_ns);
  visit("comm_ns", t.terms.comm_ns);
  visit("steps", t.steps);
  visit("lazy_steps", t.lazy_steps);
  visit("scheduled_tokens", t.scheduled_tokens);
  visit("entries", t.entries);
  visit("completed", t.completed);
  visit("prompt_tokens", t.prompt_tokens);
  visit("output_tokens", t.output_tokens);
  visit("preemptions", t.preemptions);
  visit("prefix_query_tokens", t.prefix_query_tokens);
  visit("prefix_hit_tokens", t.prefix_hit_tokens);
  visit("draft_tokens", t.draft_tokens);
  visit("accepted_tokens", t.accepted_tokens);
  visit("verifications", t.verifications);
  visit("speculative_preemptions", t.speculative_preemptions);
  visit("draft_ns", t.draft_ns);
  visit("max_running", t.max_running);
  visit("max_waiting", t.max_waiting);
  visit("max_used_blocks", t.max_used_blocks);
  visit("num_gpu_blocks", t.num_gpu_blocks);
  visit("block_size", t.block_size);
  visit("waiting_integral", t.waiting_integral);
  visit("running_integral", t.running_integral);
  visit("used_block_integral", t.used_block_integral);
  visit("swaps", t.swaps);
  visit("swaps_refused", t.swaps_refused);
  visit("preemption_waits", t.preemption_waits);
  visit("swapped_blocks", t.swapped_blocks);
  visit("token_slot_integral", t.memory.tokens);
  visit("reserved_slot_integral", t.memory.reserved);
  visit("internal_slot_integral", t.memory.internal);
  visit("rounding_slot_integral", t.memory.rounding);
  visit("external_slot_integral", t.memory.external);
  visit("cached_slot_integral", t.memory.cached);
  visit("free_slot_integral", t.memory.free);
}

template <class Visit>
void for_each_member(const KvBudget& b, Visit&& visit) {
  visit("num_gpu_blocks", b.num_gpu_blocks);
  visit("usable_blocks", b.usable_blocks);
  visit("usable_tokens", b.usable_tokens);
  visit("kv_bytes_per_token", b.kv_bytes_per_token);
  visit("memory_bytes", b.memory_bytes);
  visit("weight_bytes", b.weight_bytes);
  visit("draft_weight_bytes", b.draft_weight_bytes);
  visit("activation_bytes", b.activation_bytes);
  visit("reserve_bytes", b.reserve_bytes);
  visit("kv_bytes", b.kv_bytes);
}

}  // namespace kvsim
