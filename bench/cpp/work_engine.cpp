// The engine's fixed workloads, for instruction counts: whole calls of simulate() on scenarios that
// need no dataset. Lengths are log-normal with the means and variations of the Azure 2023
// conversations.
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "kvsim/scenario/catalog.hpp"
#include "kvsim/simulate.hpp"
#include "workload.hpp"

namespace {

using namespace kvsim;

std::string read(const std::string& path) {
  std::ifstream file(std::string(KVSIM_SOURCE_DIR) + path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const Catalog& catalog() {
  static const Catalog loaded = [] {
    Catalog c;
    c.add_models(read("/python/kvsim/data/catalog/models.json"));
    c.add_gpus(read("/python/kvsim/data/catalog/gpus.json"));
    return c;
  }();
  return loaded;
}

Scenario conversations(double rate_per_s, std::int64_t requests) {
  Scenario s;
  s.model = std::string("llama-3.1-70b");
  s.gpu = std::string("h100-sxm");
  s.tensor_parallel_size = 8;
  s.engine.max_model_len = 32768;
  s.engine.enable_prefix_caching = false;
  s.workload.arrivals = Poisson{rate_per_s};
  LogNormalLengths lengths;
  lengths.prompt_mean_tokens = 1155;
  lengths.prompt_cv = 0.95;
  lengths.prompt_max_tokens = 14050;
  lengths.output_mean_tokens = 211;
  lengths.output_cv = 0.77;
  lengths.output_max_tokens = 1000;
  s.workload.lengths = lengths;
  s.workload.num_requests = requests;
  return s;
}

Scenario stepped(Scenario s) {
  s.mode = Mode::step;
  return s;
}

Scenario asynchronous(Scenario s) {
  s.engine.async_scheduling = true;
  return s;
}

Scenario preempting() {
  Scenario s = conversations(14, 10'000);
  s.engine.num_gpu_blocks = 8'000;
  return s;
}

Scenario decode_heavy() {
  Scenario s = conversations(1, 5'000);
  s.workload.arrivals = ClosedLoop{256, 0};
  s.workload.lengths = FixedLengths{128, 1000};
  return s;
}

Scenario shared_prefixes() {
  Scenario s = conversations(8, 10'000);
  s.engine.enable_prefix_caching = true;
  s.engine.num_gpu_blocks = 20'000;
  s.workload.prefixes = PrefixGroups{200, 2048, 1.0};
  return s;
}

Scenario sessions() {
  Scenario s = conversations(1.5, 10'000);
  s.engine.enable_prefix_caching = true;
  s.engine.max_model_len = 131072;
  s.workload.prefixes = Sessions{5, 20.0};
  return s;
}

// The request table is built inside the call, as a caller of simulate() pays for it.
kvsim_bench::Workload workload(const std::string& name, const std::function<Scenario()>& scenario) {
  return {name, [scenario] {
            catalog();
            return [s = scenario()] {
              static const Datasets none;
              return static_cast<double>(simulate(s, Inputs{&catalog(), &none, {}}).totals.end_ns);
            };
          }};
}

}  // namespace

int main(int argc, char** argv) {
  return kvsim_bench::workload_main(
      argc, argv,
      {workload("conversations_leap", [] { return conversations(8, 20'000); }),
       workload("conversations_step", [] { return stepped(conversations(8, 5'000)); }),
       workload("conversations_async", [] { return asynchronous(conversations(8, 20'000)); }),
       workload("preempting", preempting), workload("decode_heavy", decode_heavy),
       workload("shared_prefixes", shared_prefixes), workload("sessions", sessions)});
}
