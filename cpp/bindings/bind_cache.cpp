// The prefix cache on its own.
#include "bindings/bindings.hpp"
#include "kvsim/kv/replay.hpp"
#include "kvsim/scenario/field_json.hpp"

namespace kvsim::bindings {

void bind_cache(py::module_& m) {
  py::class_<BlockTrace, std::shared_ptr<BlockTrace>>(m, "BlockTrace", "Chains of block keys.")
      .def(py::init([](const py::array_t<std::int64_t, py::array::c_style>& offset,
                       const py::array_t<std::uint32_t, py::array::c_style>& keys,
                       std::uint32_t num_keys) {
             auto trace = std::make_shared<BlockTrace>();
             trace->offset.assign(offset.data(), offset.data() + offset.size());
             trace->keys.assign(keys.data(), keys.data() + keys.size());
             trace->num_keys = num_keys;
             return trace;
           }),
           py::arg("offset"), py::arg("keys"), py::arg("num_keys"));
  m.def(
      "replay_cache",
      [](const BlockTrace& trace, std::int64_t capacity_blocks, const std::string& policy,
         std::uint64_t seed) {
        const auto which = from_json<PrefixEviction>(json::Value(policy), "policies");
        const py::gil_scoped_release release;
        const ReplayCounts counts = replay_cache(trace, capacity_blocks, which, seed, 0);
        return std::pair{counts.hits, counts.blocks};
      },
      py::arg("trace"), py::arg("capacity_blocks"), py::arg("policy"), py::arg("seed"),
      "Blocks found and blocks asked for.");
}

}  // namespace kvsim::bindings
