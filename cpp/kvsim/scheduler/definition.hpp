// One step of vLLM's V1 scheduler as SCHEDULER.md defines it, sections 3, 7 and 8: the oracle that
// the lazy path (lazy.hpp) must equal, and the path of every irregular step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kvsim/scheduler/spec_law.hpp"
#include "kvsim/scheduler/state.hpp"
#include "kvsim/step_time/terms.hpp"

namespace kvsim {

// Queued: batches are in flight (asynchronous scheduling, pipelines), so a call does not know the
// output of those before it; ASYNC_PP.md's sections are cited as Q5.1 and so on. It excludes
// drafts.
template <class Pool, bool Queued = false>
class Definition {
 public:
  explicit Definition(SchedulerState<Pool>& state)
      : s_(state),
        block_size_(static_cast<std::int32_t>(state.cfg.block_size)),
        plain_(!Queued && state.cfg.drafts == 0 && !state.cfg.prefix_caching),
        law_(state.cfg) {}

  // Fills state.plan and state.preempted.
  void schedule() {
    s_.preempted.clear();
    s_.rejected.clear();
    s_.carried = s_.admitted_prefill = s_.stalled = false;
    B_ = I_ = s_.cfg.budget;
    ++calls_;
    s_.set_threshold();
    const bool defer = must_defer();
    run_running(defer);
    if (s_.preempted.empty() && s_.rejected.empty() && !s_.stalled) {
      if constexpr (Queued) {
        s_.admit_queued(B_, I_, defer);
      } else {
        s_.admit(B_, I_, defer);
      }
      if (!defer) s_.bound = static_cast<std::int64_t>(s_.waiting.size()) > s_.num_passed_over;
    } else {
      s_.admission_end = Admission::preempted;
    }
    commit();
  }

  // Work of the planned step, for the step-time model; chunks in scheduling order.
  [[nodiscard]] const StepShape& shape() const { return shape_; }
  // How often schedule() was called, calls that the lazy path made in its place included.
  [[nodiscard]] std::int64_t calls() const { return calls_; }
  void count_calls(std::int64_t n) { calls_ += n; }
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
  // With every_entry false it may be left out for plain decodes that are neither first nor last.
  template <class OnEntry, class OnFinish>
  void process(Ns began, bool every_entry, OnEntry&& on_entry, OnFinish&& on_finish) {
    Ledger& ledger = *s_.ledger;
    const Ns now = ledger.now();
    const Ns dur = now - began;
    std::uint64_t regular = 0;
    bool finished = false;
    Seq* const seqs = s_.seqs.data();
    Ns* const last_token = ledger.last_tokens();
    const bool brief = !every_entry;
    for (const Entry& e : s_.plan) {
      Seq& q = seqs[e.id];
      if (brief && e.plain && last_token[e.id] == began && q.preemptions == 0 &&
          q.known + 1 < q.limit) {
        last_token[e.id] = now;
        ++q.known;
        ++regular;
        continue;
      }
      if (q.computed < q.known) {
        on_entry(e, 0);
        continue;
      }
      const bool first = q.known == q.prompt;
      if (!first && ledger.last_token_ns(e.id) == began &&
          (q.preemptions == 0 || !ledger.redoing(e.id))) {
        ++regular;
        ledger.set_last_token(e.id, now);
      } else {
        ledger.sampled_alone(e.id, first);
      }
      const std::int32_t known = q.known;
      on_entry(e, sample(e, q));
      // Accepted drafts appear together with the step's first token.
      if (q.known > known + 1) ledger.itl().add(0, static_cast<std::uint64_t>(q.known - known - 1));
      if (q.known >= q.limit) {
        s_.finish(e.id);
        on_finish(e.id);
        finished = true;
      }
    }
    if (regular > 0) ledger.itl().add(dur, regular);
    if (finished) {
      std::erase_if(s_.running, [this](RequestId r) { return !s_.seqs[r].live; });
    }
  }

  // Q6, for a batch whose execution has ended: on_entry(entry, fate) with fate '-' no sample,
  // 'k' kept, 's' kept although scheduled before a preemption, 'd' discarded; on_finish(id).
  template <class OnEntry, class OnFinish>
  void process_queued(const std::vector<Entry>& batch, OnEntry&& on_entry, OnFinish&& on_finish) {
    static_assert(Queued);
    bool left_running = false;
    for (const Entry& e : batch) {
      Seq& q = s_.seqs[e.id];
      Flight& f = s_.flights[e.id];
      if (q.done) {
        on_entry(e, e.samples ? 'd' : '-');
        continue;
      }
      f.in_flight -= e.tokens;
      const bool stale = f.stale > 0;
      if (stale) f.stale -= e.tokens;
      on_entry(e, !e.samples ? '-' : stale ? 's' : 'k');
      if (!e.samples) continue;
      ++q.known;
      if (!stale && f.unseen > 0) {
        --f.unseen;
        s_.publish(e.id, q, q.computed - f.in_flight);
      }
      if (q.known < q.limit) continue;
      q.done = true;
      left_running = left_running || q.live;
      s_.finish(e.id);
      on_finish(e.id);
    }
    if (left_running) {
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

  // Q5.1, steps 2 and 3: its last token is in flight, or its turn among the batches has not come.
  [[nodiscard]] bool must_wait(RequestId r, const Seq& q) const {
    const Flight& f = s_.flights[r];
    const bool last = f.unseen > 0 && q.known - q.prompt + 1 >= s_.requests.output_tokens[r];
    return last || calls_ < f.not_before;
  }

  // Section 3.1.
  void run_running(bool defer) {
    const std::int64_t D = s_.cfg.draft_slots;
    p_ = 0;
    planned_ = 0;
    plain_decodes_ = 0;
    plain_context_ = 0;
    s_.plan.resize(s_.running.size());  // not cleared before: there is little to initialise
    while (p_ < s_.running.size() && B_ > 0) {
      if (plain_) plan_plain_decodes();
      if (I_ <= D || B_ <= 0 || p_ == s_.running.size()) break;
      const RequestId r = s_.running[p_];
      Seq& q = s_.seqs[r];
      if ((Queued && must_wait(r, q)) || (defer && q.chunking)) {
        ++p_;
        continue;
      }
      std::int64_t n = static_cast<std::int64_t>(q.known) + q.drafts - q.computed;
      if constexpr (Queued) n += s_.flights[r].unseen;
      if (0 < s_.threshold && s_.threshold < n) n = s_.threshold;
      n = std::min({n, B_, I_ - D, s_.cfg.max_model_len - q.computed - 1});
      if (n == 0) {
        ++p_;
        continue;
      }
      const std::int64_t slots = std::min(q.computed + n + s_.cfg.lookahead, s_.cfg.max_model_len);
      const std::int64_t need = s_.blocks_needed(q, slots);
      // Slots for drafts and those ahead of them compete with everybody's tokens.
      const auto bare = [&] { return s_.blocks_needed(q, std::int64_t{q.computed} + 1); };
      if (need > s_.pool.free() && !make_room(r, need, s_.cfg.drafts > 0 ? bare() : need)) {
        if (q.live) {
          ++p_;  // it waits until the budget of preemptions allows one
        } else if (!s_.cfg.priority && !s_.cfg.preemption.careful) {
          break;
        }
        continue;
      }
      const std::int32_t before = q.blocks;
      if (need > 0) s_.append_blocks(q, need);
      s_.publish(r, q, q.computed + n);
      B_ -= n;
      I_ -= n + D;
      s_.carried = s_.carried || q.chunking;
      const std::int64_t drafts = std::clamp<std::int64_t>(n + q.computed - q.known, 0, q.drafts);
      q.drafts = 0;
      const bool plain = plain_ && !q.chunking;
      s_.plan[planned_++] = {r,
                             q.computed,
                             static_cast<std::int32_t>(n),
                             static_cast<std::int32_t>(drafts),
                             before,
                             2,
                             false,
                             false,
                             plain};
      if (plain) {
        ++plain_decodes_;
        plain_context_ += ++q.computed;
      }
      ++p_;
    }
    s_.plan.resize(planned_);
  }

  // The common case of the loop's body: one token for decodes that have a slot for it and publish
  // nothing; every limit of the body leaves n = 1 then. Nothing reads their C before commit(), so
  // it advances here.
  void plan_plain_decodes() {
    const RequestId* running = s_.running.data();
    Entry* plan = s_.plan.data();
    Seq* const seqs = s_.seqs.data();
    const std::int32_t block_size = block_size_;
    std::int64_t context = 0;
    std::size_t p = p_;
    std::size_t planned = planned_;
    const std::size_t most =
        std::min(s_.running.size(), p + static_cast<std::size_t>(std::max<std::int64_t>(B_, 0)));
    for (; p < most; ++p) {
      const RequestId r = running[p];
      Seq& q = seqs[r];
      const std::int32_t computed = q.computed;
      if (q.chunking || computed >= q.blocks * block_size) break;
      plan[planned++] = {r, computed, 1, 0, q.blocks, 2, false, false, true};
      q.computed = computed + 1;
      context += computed + 1;
    }
    const auto done = static_cast<std::int64_t>(p - p_);
    plain_decodes_ += done;
    plain_context_ += context;
    B_ -= done;
    I_ -= done;
    p_ = p;
    planned_ = planned;
  }

  // Preempts or rejects until `need` blocks are free; false if r itself was the victim, or if there
  // may be none now. Without speculation `bare` blocks would do.
  bool make_room(RequestId r, std::int64_t need, std::int64_t bare) {
    const bool careful = s_.cfg.preemption.careful;
    while (need > s_.pool.free()) {
      if (careful && s_.ledger->now() < s_.next_preemption_ns) {
        if (s_.cfg.preemption.reject) {
          turn_away(r);
        } else {
          s_.stalled = true;
          ++s_.ledger->totals.preemption_waits;
        }
        return false;
      }
      const RequestId victim = careful           ? pick_victim()
                               : s_.cfg.priority ? pick_by_priority()
                                                 : s_.running.back();
      if (careful && s_.out_of_budget(victim)) {
        turn_away(victim);
        if (victim == r) return false;
        continue;
      }
      if (careful || s_.cfg.priority) {
        take_from_running(victim);
      } else {
        s_.running.pop_back();
      }
      if (bare <= s_.pool.free()) ++s_.ledger->totals.speculative_preemptions;
      s_.preempt(victim);
      if (victim == r) return false;
    }
    return true;
  }

  void turn_away(RequestId r) {
    take_from_running(r);
    s_.reject(r);
  }

  // By the chosen policy, among those that do not hold a reservation; of equals the latest. Who
  // asks for a block is one of them.
  [[nodiscard]] RequestId pick_victim() const {
    RequestId worst = 0;
    bool found = false;
    for (const RequestId r : s_.running) {
      if (s_.seqs[r].reserved || (found && better_kept(r, worst))) continue;
      worst = r;
      found = true;
    }
    if (!found) fail(ErrorKind::invariant, "no request can be preempted");
    return worst;
  }
  // Whether rather b than a, who was admitted later, is preempted.
  [[nodiscard]] bool better_kept(RequestId a, RequestId b) const {
    switch (s_.cfg.preemption.victim) {
      case PreemptionVictim::latest:
        return false;
      case PreemptionVictim::lowest_priority:
        return std::pair{s_.priority_of(a), s_.ledger->arrival_ns(a)} <=
               std::pair{s_.priority_of(b), s_.ledger->arrival_ns(b)};
      case PreemptionVictim::least_work_lost:
        return s_.seqs[a].computed > s_.seqs[b].computed;
      case PreemptionVictim::longest_remaining:
        return s_.longest(a) - s_.seqs[a].known < s_.longest(b) - s_.seqs[b].known;
    }
    return false;
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

  // If the victim was scheduled in this step its plan is cancelled and the budget returns; keys
  // that it published stay.
  void take_from_running(RequestId victim) {
    const auto at = std::find(s_.running.begin(), s_.running.end(), victim);
    const auto place = static_cast<std::size_t>(at - s_.running.begin());
    s_.running.erase(at);
    if (place >= p_) return;
    --p_;
    const auto end = s_.plan.begin() + static_cast<std::ptrdiff_t>(planned_);
    const auto planned =
        std::find_if(s_.plan.begin(), end, [victim](const Entry& e) { return e.id == victim; });
    if (planned == end) return;
    B_ += planned->tokens;
    I_ += planned->tokens + s_.cfg.draft_slots;
    if (planned->plain) {
      --plain_decodes_;
      plain_context_ -= s_.seqs[victim].computed--;
    }
    std::move(planned + 1, end, planned);
    --planned_;
  }

  // Section 3.3: C advances before the model has run.
  void commit() {
    if constexpr (Queued) return commit_queued();
    StepShape shape;
    if (static_cast<std::int64_t>(s_.plan.size()) > plain_decodes_) {
      for (const Entry& e : s_.plan) {
        if (e.plain) continue;
        Seq& q = s_.seqs[e.id];
        q.computed += e.tokens;
        q.chunking = q.computed < q.known;
        add_to(shape, e, q);
      }
    }
    shape.decode_seqs += plain_decodes_;
    shape.decode_tokens += plain_decodes_;
    shape.sampled += plain_decodes_;
    shape.decode_context += plain_context_;
    shape_ = shape;
    if (s_.plan.empty()) return;
    ++s_.executed;
    if (s_.carried || s_.admitted_prefill) s_.last_prefill = s_.executed;
  }

  // Q5.4.
  void commit_queued() {
    shape_ = StepShape{};
    for (Entry& e : s_.plan) {
      Seq& q = s_.seqs[e.id];
      Flight& f = s_.flights[e.id];
      q.computed += e.tokens;
      f.in_flight += e.tokens;
      const std::int32_t known = q.known + f.unseen;
      q.chunking = q.computed < known;
      e.samples = !q.chunking;
      add_queued(e, q, known);
      if (s_.cfg.async && e.samples) {
        ++f.unseen;
        f.not_before = calls_ + s_.cfg.stages;
      }
    }
    if (s_.plan.empty()) return;
    ++s_.executed;
    if (s_.carried || s_.admitted_prefill) s_.last_prefill = s_.executed;
  }
  void add_queued(const Entry& e, const Seq& q, std::int32_t known) {
    if (known - e.computed == 1) {
      ++shape_.decode_seqs;
      shape_.decode_tokens += e.tokens;
      shape_.decode_context += e.computed + e.tokens;
    } else {
      shape_.add_chunk(e.tokens, e.computed);
    }
    if (e.computed < q.prompt) shape_.add_prompt(e.computed, e.computed + e.tokens, q.prompt);
    if (e.samples) ++shape_.sampled;
  }

  // Appends what the model returned for a sampling entry; returns how many tokens that were before
  // the cut at the stop.
  std::int32_t sample(const Entry& e, Seq& q) {
    if (s_.cfg.drafts == 0) {
      ++q.known;
      return 1;
    }
    const std::uint32_t number = s_.requests.number_of(e.id);
    std::int32_t accepted = 0;
    if (e.drafts > 0 && !e.padded) {
      accepted = law_.accepted(e.id, number, q.known - q.prompt, e.drafts);
      s_.ledger->totals.draft_tokens += e.drafts;
      ++s_.ledger->totals.verifications;
    }
    q.computed -= e.drafts - accepted;
    const std::int32_t made = accepted + 1;
    const std::int32_t kept = std::min(made, q.limit - q.known);
    q.known += kept;
    q.computed -= made - kept;
    s_.ledger->totals.accepted_tokens += std::min(accepted, kept);
    s_.publish(e.id, q, q.computed);
    if (q.known < q.limit) {
      q.drafts = law_.proposed(e.id, number, q.known - q.prompt);
    }
    return made;
  }

  SchedulerState<Pool>& s_;
  std::int64_t calls_ = 0;  // of schedule()
  std::int32_t block_size_;
  bool plain_;  // a decode is one token and publishes nothing
  SpecLaw law_;
  StepShape shape_;
  std::int64_t B_ = 0;
  std::int64_t I_ = 0;
  std::size_t p_ = 0;               // place in `running`
  std::size_t planned_ = 0;         // entries of the plan so far
  std::int64_t plain_decodes_ = 0;  // of them
  std::int64_t plain_context_ = 0;  // sum of their C after the step
};

}  // namespace kvsim
