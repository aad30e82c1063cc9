"""Small wrong edits of the scheduler, one at a time: each must make the recorded cases fail.

What the recordings do not pin must fail in a test made for it.
"""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from codebase import ROOT, Source

ENGINE = ROOT / "cpp"
TESTS = ROOT / "tests" / "cpp"
COMPILER = [
    *os.environ.get("CXX", "c++").split(),
    "-std=c++20", "-O1", "-ffp-contract=off", f'-DKVSIM_SOURCE_DIR="{ROOT}"', '-DKVSIM_VERSION="0"',
]  # fmt: skip
# The replay of the recorded cases, and tests made for what they do not pin.
REPLAYER = (
    "main.cpp",
    "scheduler/spec_law_test.cpp",
    "server/golden_test.cpp",
    "server/leap_test.cpp",
    "server/preemption_test.cpp",
    "server/priority_test.cpp",
    "server/replica_run.cpp",
    "server/speculation_test.cpp",
)
RECORDED = "golden"
SECONDS = 300  # of a mutant's run; the unmodified engine needs a few


@dataclass(frozen=True)
class Mutant:
    """Every `old` in a file of cpp/kvsim becomes `new`; `caught_by` are the tests that notice."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str = RECORDED


DEFINITION, STATE = "scheduler/definition.hpp", "scheduler/state.hpp"
POOL, LAZY, LEAP = "kv/block_pool.hpp", "scheduler/lazy.hpp", "server/replica_leap.hpp"
SPEC_LAW = "scheduler/spec_law.hpp"
QUEUED_LAZY, QUEUED_LEAP = "server/queued_lazy.hpp", "server/queued_leap.hpp"

MUTANTS = (
    Mutant("unkeyed blocks go to the back of the free queue", POOL,
           "stack_[stack_size_++] = table[j];", "push_keyed(table[j]);"),
    Mutant("a table is freed from its first block to its last", POOL,
           "for (std::int64_t j = published; j < blocks; ++j)",
           "for (std::int64_t j = blocks - 1; j >= published; --j)"),
    Mutant("a lookup may hit all known tokens", STATE,
           "(s.known - 1) / cfg.block_size", "s.known / cfg.block_size"),
    Mutant("hit blocks in the free queue are not counted", STATE,
           "evictable += pool.in_use(block) ? 0 : 1;", ""),
    Mutant("only the prompt is reserved, not regenerated outputs", STATE,
           "blocks_for(std::min<std::int64_t>(s.known, cfg.max_model_len))",
           "blocks_for(std::min<std::int64_t>(s.prompt, cfg.max_model_len))"),
    Mutant("the threshold also cuts a lone request", STATE,
           "threshold = eligible > 1 ? cfg.threshold : 0;", "threshold = cfg.threshold;"),
    Mutant("padding is bounded one token too early", STATE,
           "h + (1 + k) + 1 <= cfg.max_model_len", "h + (1 + k) + 1 < cfg.max_model_len",
           "speculation.padding"),
    Mutant("the watermark is a share of the usable blocks", "scheduler/config.cpp",
           "static_cast<double>(num_gpu_blocks)", "static_cast<double>(num_gpu_blocks - 1)"),
    Mutant("a preempted request goes to the back of the queue", "scheduler/waiting_queue.hpp",
           "front_.push_back(e.id);", "fifo_.push_back(e.id);"),
    Mutant("first come, first served preempts the first", DEFINITION,
           ": s_.running.back();\n      if (careful && s_.out_of_budget(victim)) {\n"
           "        turn_away(victim);\n        if (victim == r) return false;\n        continue;\n"
           "      }\n      if (careful || s_.cfg.priority) {",
           ": s_.running.front();\n      if (true) {"),
    Mutant("among equal priorities the last is preempted", DEFINITION,
           "s_.ledger->arrival_ns(r) > s_.ledger->arrival_ns(worst)",
           "s_.ledger->arrival_ns(r) >= s_.ledger->arrival_ns(worst)"),
    Mutant("admission goes on after a preemption", DEFINITION,
           "if (s_.preempted.empty() && s_.rejected", "if (s_.rejected"),
    Mutant("of equal work the most is lost", DEFINITION,
           "s_.seqs[a].computed > s_.seqs[b].computed", "s_.seqs[a].computed < s_.seqs[b].computed",
           "preemption.victims"),
    Mutant("a budget a second is none", DEFINITION,
           "s_.ledger->now() < s_.next_preemption_ns", "s_.ledger->now() < 0",
           "preemption.a_rate_keeps"),
    Mutant("a request that is out of budget is preempted again", STATE,
           " || (!p.reject && s.preemptions >= p.max_per_request)", "",
           "preemption.a_request_that_is_out"),
    Mutant("a victim without budget is rejected one preemption late", STATE,
           "seqs[r].preemptions >= cfg", "seqs[r].preemptions > cfg",
           "preemption.a_limit_may_reject"),
    Mutant("a swapped request computes its tokens again", STATE,
           "return std::max(tokens, have * cfg.block_size);", "return have * cfg.block_size;",
           "preemption.swapping"),
    Mutant("a cancelled plan keeps its budget", DEFINITION,
           "B_ += planned->tokens;", "", "priority.a_cancelled_plan"),
    Mutant("a cancelled plan keeps its context", DEFINITION,
           "plain_context_ -= s_.seqs[victim].computed--;", "--s_.seqs[victim].computed;"),
    Mutant("blocks are published when computed, not when allocated", DEFINITION,
           "s_.publish(r, q, q.computed + n);", "s_.publish(r, q, q.computed);"),
    Mutant("no slots are reserved for a draft model", DEFINITION,
           "q.computed + n + s_.cfg.lookahead", "q.computed + n"),
    Mutant("accepted drafts are not published at once", DEFINITION,
           "s_.publish(e.id, q, q.computed);\n    if (q.known < q.limit) {",
           "if (q.known < q.limit) {"),
    Mutant("the drafts of a pass share their luck", SPEC_LAW,
           "word(accept_, number, outputs + n)", "word(accept_, number, outputs)",
           "spec_law.constant"),
    Mutant("every request accepts as the mean does", SPEC_LAW,
           "per_request_ ? alpha(number) : 0;", "mean_;", "spec_law.requests_differ"),
    Mutant("only the first draft of a pass takes time", "server/draft.hpp",
           "pass < state.cfg.drafts", "pass < 1", "speculation.drafting"),
    Mutant("an admitted prompt does not start the prefill interval anew", DEFINITION,
           "s_.carried || s_.admitted_prefill) s_.last", "s_.carried) s_.last"),
    Mutant("a lazy decode asks for its block one step late", LAZY,
           "when = bucket(-c);\n      insert_ordered",
           "when = bucket(1 - c);\n      insert_ordered"),
    Mutant("a lazy decode finishes one step late", LAZY,
           "step_ + (q.limit - 1 - c)", "step_ + (q.limit - c)"),
    Mutant("lazy requests finish in the order of the wheel", LEAP,
           "if (finished_.size() > 1) std::sort(finished_.begin(), finished_.end());", ""),
    Mutant("chunks publish before the decodes in front of them", LEAP,
           "if (!published) lazy_.publish_blocks();\n      published = true;", "",
           "leap.publishers"),
    Mutant("a leap passes by a block that the head of the queue could hit", LEAP,
           "return lazy_.publishes_next() && !state_.waiting.empty();", "return false;"),
    Mutant("time between a pipeline's batches is left out of a leap", QUEUED_LEAP,
           "group.bubble += batch.end - group.end - batch.terms.total();", "",
           "leap.carries_decode_heavy_runs_with_pipelines"),
    Mutant("who leaves the lazy path takes any turn", QUEUED_LAZY,
           "f.not_before = definition_.calls() + 1 + static_cast<std::int64_t>(i);", ""),
    Mutant("a head that lacks budget waits for a finish", QUEUED_LEAP,
           "if (lacks_budget_ && !batch.leaving.empty()) blocked_ = false;", "",
           "leap.budget_comes_back"),
    Mutant("output that was in flight at a preemption counts as new", STATE,
           "= f.stale = f.in_flight;", "= f.in_flight;"),
    Mutant("the last token in flight is not anticipated", DEFINITION,
           "return last || calls_ < f.not_before;", "return calls_ < f.not_before;"),
    Mutant("batches of a pipeline do not take turns", DEFINITION,
           "return last || calls_ < f.not_before;", "return last;"),
)  # fmt: skip


def includes(source: Path) -> set[str]:
    """Return the project's headers that a source includes, directly or not."""
    found: set[str] = set()
    todo = [source]
    while todo:
        file = todo.pop()
        for name in Source(file, file.name).includes:
            paths = [path for root in (ENGINE, TESTS) if (path := root / name).exists()]
            if name not in found and paths:
                found.add(name)
                todo += paths
    return found


class Workshop:
    """Objects of the unmodified engine and replayer, and how to build a variant from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What only picks and drives replicas, which replica_run.cpp does itself.
        entries = {"simulate.cpp", "simulate_fleet.cpp"}
        engine = [s for s in ENGINE.glob("kvsim/**/*.cpp") if s.name not in entries]
        self.sources = sorted(engine) + [TESTS / name for name in REPLAYER]
        self.uses = {source: includes(source) for source in self.sources}

    def object_of(self, source: Path, folder: Path) -> Path:
        return folder / f"{source.relative_to(ROOT).as_posix().replace('/', '_')}.o"

    def compile(self, source: Path, engine: Path, out: Path) -> None:
        subprocess.run(
            [*COMPILER, f"-I{engine}", f"-I{TESTS}", "-c", str(source), "-o", str(out)], check=True
        )

    def prepare(self) -> None:
        """Compile the unmodified engine."""
        with ThreadPoolExecutor(2) as pool:
            jobs = [
                pool.submit(self.compile, s, ENGINE, self.object_of(s, self.folder))
                for s in self.sources
            ]
            for job in jobs:
                job.result()

    def build(self, folder: Path, edited: str | None) -> Path:
        """Link the replayer; what depends on the edited file comes from folder/cpp."""
        objects = []
        for source in self.sources:
            own = source.relative_to(ENGINE).as_posix() if ENGINE in source.parents else ""
            if edited is None or (edited != own and edited not in self.uses[source]):
                objects.append(self.object_of(source, self.folder))
                continue
            objects.append(self.object_of(source, folder))
            variant = folder / "cpp" / own if own else source
            self.compile(variant, folder / "cpp", objects[-1])
        program = folder / "replay"
        subprocess.run([*COMPILER, *map(str, objects), "-o", str(program)], check=True)
        return program

    def passes(self, program: Path, tests: str) -> bool:
        try:
            done = subprocess.run(
                [str(program), tests], capture_output=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return False  # it lost its way
        return done.returncode == 0

    def survives(self, mutant: Mutant) -> str:
        """Return what is wrong with a mutant, empty if it is caught as expected."""
        folder = self.folder / mutant.name.replace(" ", "_")
        shutil.copytree(ENGINE / "kvsim", folder / "cpp" / "kvsim")
        file = folder / "cpp" / "kvsim" / mutant.file
        text = file.read_text()
        if mutant.old not in text:
            return f"{mutant.name}: {mutant.file} has no {mutant.old!r} any more"
        file.write_text(text.replace(mutant.old, mutant.new))
        program = self.build(folder, f"kvsim/{mutant.file}")
        caught = not self.passes(program, mutant.caught_by)
        shutil.rmtree(folder)
        return "" if caught else f"{mutant.name}: {mutant.caught_by} passes"


@pytest.mark.full
def test_every_mutant_is_caught(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    workshop.prepare()
    unmodified = workshop.build(tmp_path, None)
    for tests in {mutant.caught_by for mutant in MUTANTS}:
        assert workshop.passes(unmodified, tests)
    with ThreadPoolExecutor(2) as pool:
        survivors = [wrong for wrong in pool.map(workshop.survives, MUTANTS) if wrong]
    assert survivors == []
