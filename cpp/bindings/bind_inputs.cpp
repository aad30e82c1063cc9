// What runs need beside a scenario: the catalogue and datasets.
#include <optional>

#include "bindings/bindings.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/scenario/catalog.hpp"
#include "kvsim/step_time/operators.hpp"

namespace kvsim::bindings {
namespace {

template <class T>
using Column = std::optional<py::array_t<T, py::array::c_style>>;

using Sizes = py::array_t<double, py::array::c_style | py::array::forcecast>;

template <class T>
std::vector<T> copy(const Column<T>& column) {
  if (!column) return {};
  return {column->data(), column->data() + column->size()};
}

std::shared_ptr<Dataset> make_dataset(
    const Column<std::int64_t>& arrival_ns, const Column<std::int32_t>& prompt_tokens,
    const Column<std::int32_t>& output_tokens, const Column<std::int32_t>& priority,
    const Column<std::int32_t>& stop_after, const Column<std::int64_t>& hash_offset,
    const Column<std::int64_t>& hash_ids, std::int64_t hash_block_tokens,
    const Column<std::int64_t>& token_offset, const Column<std::int32_t>& token_ids) {
  auto d = std::make_shared<Dataset>();
  d->arrival_ns = copy(arrival_ns);
  d->prompt_tokens = copy(prompt_tokens);
  d->output_tokens = copy(output_tokens);
  d->priority = copy(priority);
  d->stop_after = copy(stop_after);
  d->hash_offset = copy(hash_offset);
  d->hash_ids = copy(hash_ids);
  d->hash_block_tokens = hash_block_tokens;
  d->token_offset = copy(token_offset);
  d->token_ids = copy(token_ids);
  return d;
}

}  // namespace

bool resolve_dataset(const Resolver& resolver, const std::string& name, Datasets& datasets) {
  if (datasets.contains(name)) return true;
  const py::object found = resolver(name);
  if (found.is_none()) return false;
  datasets[name] = found.cast<std::shared_ptr<Dataset>>();
  return true;
}

void name_known(const Resolver& resolver, Datasets& datasets) {
  for (const py::handle name : resolver.attr("known")()) {
    datasets.try_emplace(name.cast<std::string>());
  }
}

void bind_inputs(py::module_& m) {
  py::class_<Catalog>(m, "Catalog", "Models and GPUs by name.")
      .def(py::init([](std::string_view models, std::string_view gpus) {
             auto catalog = std::make_unique<Catalog>();
             catalog->add_models(models);
             catalog->add_gpus(gpus);
             return catalog;
           }),
           py::arg("models_json"), py::arg("gpus_json"))
      .def("add_step_tables", &Catalog::add_step_tables, py::arg("json_text"),
           "Measured operators of one GPU.");
  m.def(
      "operator_ns",
      [](std::string_view name, const Catalog& catalog, const std::string& gpu, const Sizes& a,
         const Sizes& b, const Sizes& c) {
        const GpuSpec& spec = catalog.gpu(gpu, "gpu");
        if (a.size() != b.size() || a.size() != c.size()) {
          bad_field("c", std::to_string(c.size()) + " sizes", "as many as a and b have");
        }
        py::array_t<double> out(a.size());
        for (py::ssize_t i = 0; i < a.size(); ++i) {
          out.mutable_data()[i] =
              fitted_operator_ns(name, {a.data()[i], b.data()[i], c.data()[i]}, spec);
        }
        return out;
      },
      py::arg("name"), py::arg("catalog"), py::arg("gpu"), py::arg("a"), py::arg("b"), py::arg("c"),
      "ns of an operator by the fitted formulas, for arrays of its sizes.");
  py::class_<Dataset, std::shared_ptr<Dataset>>(m, "Dataset", "A trace's columns, copied.")
      .def(py::init(&make_dataset), py::kw_only(), py::arg("arrival_ns"), py::arg("prompt_tokens"),
           py::arg("output_tokens"), py::arg("priority"), py::arg("stop_after"),
           py::arg("hash_offset"), py::arg("hash_ids"), py::arg("hash_block_tokens"),
           py::arg("token_offset"), py::arg("token_ids"))
      .def("__len__", &Dataset::rows);
}

}  // namespace kvsim::bindings
