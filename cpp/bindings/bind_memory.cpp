// Closed forms of KV memory, and what a request holds of it.
#include "bindings/bindings.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/scenario/scenario_json.hpp"
#include "kvsim/theory/memory.hpp"

namespace kvsim::bindings {
namespace {

using Lengths = py::array_t<std::int64_t, py::array::c_style>;

// Sum of ceil(i / block) for i = 1 ... x, in slots.
std::int64_t paged_sum(std::int64_t x, std::int64_t block) {
  const std::int64_t whole = x / block;
  return block * (block * whole * (whole + 1) / 2 + (x - whole * block) * (whole + 1));
}

// Of each request: slots held at the end, and their sum over its steps, of which it has one an
// output token.
py::typing::Tuple<Lengths, Lengths> held_slots(std::string_view engine_json, const Lengths& prompts,
                                               const Lengths& outputs, std::int64_t max_model_len,
                                               std::int64_t memory_slots) {
  const auto engine = from_json<EngineSpec>(json::parse(engine_json, "engine"), "engine");
  const auto* contiguous = std::get_if<ContiguousAllocator>(&engine.kv_allocator);
  const bool reserves = contiguous != nullptr || engine.preemption.mode == PreemptionMode::none;
  const auto placement =
      contiguous == nullptr ? nullptr : make_placement(contiguous->placement, memory_slots);
  Lengths last(prompts.size());
  Lengths sum(prompts.size());
  for (py::ssize_t r = 0; r < prompts.size(); ++r) {
    const std::int64_t prompt = prompts.data()[r];
    const std::int64_t steps = outputs.data()[r];
    const std::int64_t needed = prompt + steps - 1;
    const std::int64_t block = engine.block_size;
    std::int64_t& held = last.mutable_data()[r];
    held = contiguous == nullptr
               ? (needed + block - 1) / block * block
               : placement->rounded(contiguous->slots(prompt, needed, max_model_len));
    sum.mutable_data()[r] =
        reserves ? held * steps : paged_sum(needed, block) - paged_sum(prompt - 1, block);
  }
  return py::make_tuple(last, sum);
}

}  // namespace

void bind_memory(py::module_& m) {
  m.def("held_slots", &held_slots, py::arg("engine_json"), py::arg("prompts"), py::arg("outputs"),
        py::arg("max_model_len"), py::arg("memory_slots"),
        "Slots that each request holds at its end, and their sum over its steps.");
  m.def("cut_exponential_mean", &theory::cut_exponential_mean, py::arg("mean"), py::arg("max"),
        "Mean of min(X, max).");
  m.def("mean_blocks", &theory::mean_blocks, py::arg("mean"), py::arg("max"), py::arg("block_size"),
        "Mean blocks of such lengths.");
  m.def("paged_internal_waste", &theory::paged_internal_waste, py::arg("mean"), py::arg("max"),
        py::arg("block_size"), "Share of those blocks' slots without a token.");
  m.def("users_that_fit", &theory::users_that_fit, py::arg("memory_bytes"), py::arg("weight_bytes"),
        py::arg("reserve_bytes"), py::arg("kv_bytes_per_token"), py::arg("slots_per_user"),
        "Requests of so many slots that fit.");
}

}  // namespace kvsim::bindings
