// Scenarios: checking, the canonical form, the description of every field.
#include <map>
#include <optional>
#include <variant>

#include "bindings/bindings.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/metrics/summary.hpp"
#include "kvsim/scenario/field_json.hpp"
#include "kvsim/scenario/field_schema.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/scenario/scenario_json.hpp"

namespace kvsim::bindings {
namespace {

// Reads a struct from JSON, checking every field; returns all of its fields if asked for.
using Reader = json::Value (*)(const json::Value& value, bool whole);
using Readers = std::map<std::string, Reader, std::less<>>;

template <class T>
struct Collect;

template <class... Ts>
void collect_all(Readers& readers) {
  (Collect<Ts>::into(readers), ...);
}

// A reader for every described struct within T.
template <class T>
struct Collect {
  static void into(Readers& readers) {
    if constexpr (Described<T>) {
      readers[std::string(T::type_name)] = [](const json::Value& value, bool whole) {
        const T read = from_json<T>(value);
        return whole ? to_json(read) : json::Value();
      };
      for_each_field<T>([&](const auto& f) {
        collect_all<typename std::remove_cvref_t<decltype(f)>::type>(readers);
      });
    }
  }
};
template <class T>
struct Collect<std::optional<T>> : Collect<T> {};
template <class T>
struct Collect<std::vector<T>> : Collect<T> {};
template <class... Ts>
struct Collect<std::variant<Ts...>> {
  static void into(Readers& readers) { collect_all<Ts...>(readers); }
};

json::Value read_any(std::string_view type_name, std::string_view text, bool whole) {
  static const Readers readers = [] {
    Readers all;
    Collect<Scenario>::into(all);
    return all;
  }();
  if (type_name == Scenario::type_name) {
    const Scenario scenario = read_scenario(text);
    return whole ? to_json(scenario) : json::Value();
  }
  const auto found = readers.find(type_name);
  if (found == readers.end()) bad_field("type_name", quoted(type_name), "a type of the schema");
  return found->second(json::parse(text, type_name, json::Constants::read), whole);
}

using About = py::typing::Tuple<py::str, py::str, py::str>;

py::typing::List<About> list_summary_fields() {
  py::typing::List<About> fields;
  for (const SummaryField& f : summary_fields()) {
    fields.append(py::make_tuple(std::string(f.name), std::string(f.unit), std::string(f.doc)));
  }
  return fields;
}

}  // namespace

Scenario read_scenario(std::string_view text) {
  const json::Value value = json::parse(text, "scenario", json::Constants::read);
  if (const json::Object* object = value.if_object()) {
    const json::Value* version = object->find("schema_version");
    const std::int64_t* number = version == nullptr ? nullptr : version->if_int();
    if (number != nullptr) Scenario::refuse_newer("", *number);
  }
  auto scenario = from_json<Scenario>(value);
  // Reading checks what is written; a workload that is not must be valid as well.
  scenario.workload.validate("workload");
  return scenario;
}

void bind_scenario(py::module_& m) {
  m.def(
      "check",
      [](std::string_view type_name, std::string_view text) { read_any(type_name, text, false); },
      py::arg("type_name"), py::arg("text"),
      "Raise ConfigError unless the JSON text describes a valid struct of this type.");
  m.def(
      "canonical",
      [](std::string_view type_name, std::string_view text) {
        return json::write(read_any(type_name, text, true));
      },
      py::arg("type_name"), py::arg("text"),
      "The canonical JSON of a struct: every field, keys sorted, no blanks.");
  m.def(
      "schema_json", [] { return json::write(schema_json<Scenario>()); },
      "Every struct, field and enum of a scenario, as JSON.");
  m.def("summary_fields", &list_summary_fields, "(name, unit, doc) of every figure of a summary.");
}

}  // namespace kvsim::bindings
