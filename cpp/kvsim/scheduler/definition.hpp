// One step of vLLM's V1 scheduler as SCHEDULER.md defines it, sections 3, 7 and 8: the oracle that
// the lazy path (lazy.hpp) must equal, and the path of every irregular step.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kvsim/scheduler/spec_law.hpp"
#include "kvsim/scheduler/state.hpp"
#include "kvsim/step_time/terms.hpp"

namespace kvsim {

template <class Pool>
class Definition {
 public:
  explicit Definition(SchedulerState<Pool>& state) : s_(state) {}

  // Fills state.plan and state.preempted.
  void schedule() {
    s_.plan.clear();
    s_.preempted.clear();
    s_.carried = s_.admitted_prefill = false;
    B_ = I_ = s_.cfg.budget;
    s_.set_threshold();
    const bool defer = must_defer();
    run_running(defer);
    if (s_.preempted.empty()) {
      s_.admit(B_, I_, defer);
      if (!defer) s_.bound = !s_.waiting.empty();
    } else {
      s_.admission_end = Admission::preempted;
    }
    commit();
  }

  // Work of the planned step, for the step-time model; chunks in scheduling order.
  [[nodiscard]] StepShape shape() const {
    StepShape shape;
    for (const Entry& e : s_.plan) add_to(shape, e, s_.seqs[e.id]);
    return shape;
  }
  static void add_to(StepShape& shape, const Entry& e, const Seq& q) {
    if (q.known - e.computed == 1) {
      ++shape.decode_seqs;
      shape.decode_tokens += e.tokens;
      shape.decode_context += e.computed + e.tokens;
    } else {
      shape.add_chunk(e.tokens, e.computed);
    }
    if (e.computed < q.prompt) shape.add_prompt(e.computed, e.computed + e.tokens, q.prompt);
    if (q.computed >= q.known) ++shape.sampled;
  }

  // Section 7. The ledger's clock stands at the end of the step; `began` is its start.
  // on_entry(entry, made) is called for each entry with the tokens that the model returned,
  // on_finish(id) after a request has left.
  template <class OnEntry, class OnFinish>
  void process(Ns began, OnEntry&& on_entry, OnFinish&& on_finish) {
    Ledger& ledger = *s_.ledger;
    const Ns dur = ledger.now() - began;
    std::uint64_t regular = 0;
    bool finished = false;
    for (const Entry& e : s_.plan) {
      Seq& q = s_.seqs[e.id];
      if (q.computed < q.known) {
        on_entry(e, 0);
        continue;
      }
      const bool first = q.known == q.prompt;
      if (!first && ledger.last_token_ns(e.id) == began && !ledger.redoing(e.id)) {
        ++regular;
        ledger.set_last_token(e.id, ledger.now());
      } else {
        ledger.sampled_alone(e.id, first);
      }
      on_entry(e, sample(e, q));
      if (q.known >= q.limit) {
        s_.finish(e.id);
        on_finish(e.id);
        finished = true;
      }
    }
    if (regular > 0) ledger.itl.add(dur, regular);
    if (finished) {
      std::erase_if(s_.running, [this](RequestId r) { return !s_.seqs[r].live; });
    }
  }

 private:
  // Section 8: hold back prefills while a decode runs and the interval has not passed.
  [[nodiscard]] bool must_defer() const {
    if (s_.cfg.prefill_interval <= 1 || s_.bound ||
        s_.executed + 1 - s_.last_prefill >= s_.cfg.prefill_interval) {
      return false;
    }
    return std::any_of(s_.running.begin(), s_.running.end(),
                       [this](RequestId r) { return !s_.seqs[r].chunking; });
  }

  // Section 3.1.
  void run_running(bool defer) {
    const std::int64_t D = s_.cfg.draft_slots;
    p_ = 0;
    while (p_ < s_.running.size() && B_ > 0) {
      if (I_ <= D) break;
      const RequestId r = s_.running[p_];
      Seq& q = s_.seqs[r];
      if (defer && q.chunking) {
        ++p_;
        continue;
      }
      std::int64_t n = static_cast<std::int64_t>(q.known) + q.drafts - q.computed;
      if (0 < s_.threshold && s_.threshold < n) n = s_.threshold;
      n = std::min({n, B_, I_ - D, s_.cfg.max_model_len - q.computed - 1});
      if (n == 0) {
        ++p_;
        continue;
      }
      const std::int64_t slots = std::min(q.computed + n + s_.cfg.lookahead, s_.cfg.max_model_len);
      const std::int64_t need =
          std::max<std::int64_t>(ceil_div(slots, s_.cfg.block_size) - q.blocks, 0);
      if (need > s_.pool.free() && !make_room(r, need)) {
        if (!s_.cfg.priority) break;
        continue;
      }
      const std::int32_t before = q.blocks;
      s_.append_blocks(q, need);
      s_.publish(r, q, q.computed + n);
      B_ -= n;
      I_ -= n + D;
      s_.carried = s_.carried || q.chunking;
      const std::int64_t drafts = std::clamp<std::int64_t>(n + q.computed - q.known, 0, q.drafts);
      q.drafts = 0;
      s_.plan.push_back({r, q.computed, static_cast<std::int32_t>(n),
                         static_cast<std::int32_t>(drafts), before, 2, false});
      ++p_;
    }
  }

  // Preempts until `need` blocks are free; false if r itself was the victim.
  bool make_room(RequestId r, std::int64_t need) {
    while (need > s_.pool.free()) {
      const RequestId victim = s_.cfg.priority ? pick_by_priority() : s_.running.back();
      if (s_.cfg.priority) {
        take_from_running(victim);
      } else {
        s_.running.pop_back();
      }
      s_.preempt(victim);
      if (victim == r) return false;
    }
    return true;
  }

  // Largest (priority, arrival); among equals the first in `running`, whatever its id.
  [[nodiscard]] RequestId pick_by_priority() const {
    RequestId worst = s_.running.front();
    for (const RequestId r : s_.running) {
      const auto a = s_.priority_of(r);
      const auto b = s_.priority_of(worst);
      if (a > b || (a == b && s_.ledger->arrival_ns(r) > s_.ledger->arrival_ns(worst))) worst = r;
    }
    return worst;
  }

  // If the victim was scheduled in this step its plan is cancelled and the budget returns; keys that
  // it published stay.
  void take_from_running(RequestId victim) {
    const auto at = std::find(s_.running.begin(), s_.running.end(), victim);
    const auto place = static_cast<std::size_t>(at - s_.running.begin());
    s_.running.erase(at);
    if (place >= p_) return;
    --p_;
    const auto planned = std::find_if(s_.plan.begin(), s_.plan.end(),
                                      [victim](const Entry& e) { return e.id == victim; });
    if (planned == s_.plan.end()) return;
    B_ += planned->tokens;
    I_ += planned->tokens + s_.cfg.draft_slots;
    s_.plan.erase(planned);
  }

  // Section 3.3: C advances before the model has run.
  void commit() {
    for (const Entry& e : s_.plan) {
      Seq& q = s_.seqs[e.id];
      q.computed += e.tokens;
      q.chunking = q.computed < q.known;
    }
    if (s_.plan.empty()) return;
    ++s_.executed;
    if (s_.carried || s_.admitted_prefill) s_.last_prefill = s_.executed;
  }

  // Appends what the model returned for a sampling entry; returns how many tokens that were before
  // the cut at the stop.
  std::int32_t sample(const Entry& e, Seq& q) {
    if (s_.cfg.drafts == 0) {
      ++q.known;
      return 1;
    }
    const std::int64_t k = s_.cfg.drafts;
    const auto outputs = static_cast<std::uint64_t>(q.known - q.prompt);
    std::int32_t accepted = 0;
    if (e.drafts > 0 && !e.padded) {
      accepted = std::min(e.drafts, spec_draw(s_.cfg.spec_seed, salt_accept, e.id, outputs, k));
      s_.ledger->totals.draft_tokens += e.drafts;
    }
    q.computed -= e.drafts - accepted;
    const std::int32_t made = accepted + 1;
    const std::int32_t kept = std::min(made, q.limit - q.known);
    q.known += kept;
    q.computed -= made - kept;
    s_.ledger->totals.accepted_tokens += std::min(accepted, kept);
    s_.publish(e.id, q, q.computed);
    if (q.known < q.limit) {
      q.drafts = s_.cfg.spec_ngram
                     ? spec_draw(s_.cfg.spec_seed, salt_propose, e.id,
                                 static_cast<std::uint64_t>(q.known - q.prompt), k)
                     : static_cast<std::int32_t>(k);
    }
    return made;
  }

  SchedulerState<Pool>& s_;
  std::int64_t B_ = 0;
  std::int64_t I_ = 0;
  std::size_t p_ = 0;
};

}  // namespace kvsim
