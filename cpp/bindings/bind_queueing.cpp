// Closed forms of queueing theory; python/kvsim/queueing.py documents them.
#include "bindings/bindings.hpp"
#include "kvsim/theory/queueing.hpp"

namespace kvsim::bindings {

void bind_queueing(py::module_& m) {
  namespace t = kvsim::theory;
  const auto rate = py::arg("rate_per_s");
  const auto service = py::arg("service_s");
  const auto servers = py::arg("servers");
  const auto level = py::arg("q");
  m.def("queueing_utilization", &t::utilization, rate, service, servers);
  m.def("queueing_mm1_mean_wait_s", &t::mm1_mean_wait_s, rate, service);
  m.def("queueing_mm1_mean_sojourn_s", &t::mm1_mean_sojourn_s, rate, service);
  m.def("queueing_mm1_sojourn_quantile_s", &t::mm1_sojourn_quantile_s, rate, service, level);
  m.def("queueing_erlang_c", &t::erlang_c, rate, service, servers);
  m.def("queueing_mmc_mean_wait_s", &t::mmc_mean_wait_s, rate, service, servers);
  m.def("queueing_mmc_wait_quantile_s", &t::mmc_wait_quantile_s, rate, service, servers, level);
  m.def("queueing_mmc_sojourn_quantile_s", &t::mmc_sojourn_quantile_s, rate, service, servers,
        level);
  m.def("queueing_mg1_mean_wait_s", &t::mg1_mean_wait_s, rate, service, py::arg("service_cv"));
  m.def("queueing_md1_mean_wait_s", &t::md1_mean_wait_s, rate, service);
  m.def("queueing_kingman_mean_wait_s", &t::kingman_mean_wait_s, rate, service,
        py::arg("arrival_cv"), py::arg("service_cv"));
  m.def("queueing_batch_queue_mean_sojourn_s", &t::batch_queue_mean_sojourn_s, rate,
        py::arg("s0_s"), py::arg("s1_s"), py::arg("batch"));
  m.def("queueing_batch_queue_capacity_per_s", &t::batch_queue_capacity_per_s, py::arg("s0_s"),
        py::arg("s1_s"), py::arg("batch"));
  m.def("queueing_max_exponential_mean_s", &t::max_exponential_mean_s, py::arg("n"),
        py::arg("mean_s"));
  m.def("queueing_max_exponential_quantile_s", &t::max_exponential_quantile_s, py::arg("n"),
        py::arg("mean_s"), level);
  m.def("queueing_any_slow_probability", &t::any_slow_probability, py::arg("p"), py::arg("n"));
  m.def("queueing_leaf_quantile", &t::leaf_quantile, level, py::arg("n"));
  m.def("queueing_power_of_d_mean_sojourn_s", &t::power_of_d_mean_sojourn_s,
        py::arg("rate_per_server_per_s"), service, py::arg("d"));
  m.def("queueing_mm1_knee_utilization", &t::mm1_knee_utilization, py::arg("factor"));
}

}  // namespace kvsim::bindings
