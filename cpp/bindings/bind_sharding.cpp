// Closed forms of tensor and pipeline parallelism; python/kvsim/parallelism.py documents them.
#include "bindings/bindings.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/theory/sharding.hpp"

namespace kvsim::bindings {

namespace t = kvsim::theory;

void bind_sharding(py::module_& m) {
  m.def(
      "parallelism_all_reduce_ns",
      [](std::int64_t gpus, double bytes, double bytes_per_s, double hop_ns, bool tree) {
        const collectives::Link link{bytes_per_s, hop_ns};
        return tree ? collectives::tree_all_reduce_ns(gpus, bytes, link)
                    : collectives::ring_all_reduce_ns(gpus, bytes, link);
      },
      py::arg("gpus"), py::arg("bytes"), py::arg("bytes_per_s"), py::arg("hop_ns"),
      py::arg("tree"));
  m.def(
      "parallelism_all_gather_ns",
      [](std::int64_t gpus, double bytes, double bytes_per_s, double hop_ns) {
        return collectives::reduce_scatter_ns(gpus, bytes, {bytes_per_s, hop_ns});
      },
      py::arg("gpus"), py::arg("bytes"), py::arg("bytes_per_s"), py::arg("hop_ns"));
  m.def(
      "parallelism_prefill_ns",
      [](double params, std::int64_t layers, double hidden, double tokens, std::int64_t gpus,
         double flops_per_gpu, double bytes_per_s, double hop_ns) {
        const t::Prefill p = t::tensor_parallel_prefill({params, layers, hidden}, tokens, gpus,
                                                        flops_per_gpu, {bytes_per_s, hop_ns});
        return std::pair{p.compute_ns, p.comm_ns};
      },
      py::arg("params"), py::arg("layers"), py::arg("hidden"), py::arg("tokens"), py::arg("gpus"),
      py::arg("flops_per_gpu"), py::arg("bytes_per_s"), py::arg("hop_ns"));
  m.def("parallelism_weight_gather_tokens", &t::weight_gather_threshold_tokens,
        py::arg("layer_weight_bytes"), py::arg("hidden"));
  m.def("parallelism_bubble_fraction", &t::bubble_fraction, py::arg("stages"),
        py::arg("micro_batches"));
}

}  // namespace kvsim::bindings
