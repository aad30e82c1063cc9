#include "kvsim/scenario/catalog.hpp"

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/scenario/field_json.hpp"
#include "kvsim/scenario/json.hpp"

namespace kvsim {

namespace {

template <class Spec>
using Specs = std::map<std::string, Spec, std::less<>>;

template <class Spec>
void add(Specs<Spec>& specs, Spec spec, const std::string& path) {
  std::string name = spec.name;
  if (!specs.emplace(name, std::move(spec)).second) {
    bad_field(detail::join_path(path, "name"), quoted(name),
              "a name that the catalogue does not have yet");
  }
}

template <class Spec>
void add_all(Specs<Spec>& specs, std::string_view text, const std::string& source) {
  const json::Value root = json::parse(text, source);
  if (const json::Array* array = root.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      const std::string path = detail::join_path(source, std::to_string(i));
      const json::Object* object = (*array)[i].if_object();
      if (object != nullptr && object->find("name") == nullptr) {
        bad_field(detail::join_path(path, "name"), "nothing", "a name");
      }
      add(specs, from_json<Spec>((*array)[i], path), path);
    }
    return;
  }
  const json::Object* object = root.if_object();
  if (object == nullptr) {
    bad_field(source, json::describe(root), "an array of objects, or an object of name: object");
  }
  for (const auto& [name, value] : object->members()) {
    const std::string path = detail::join_path(source, name);
    json::Value named = value;
    if (json::Object* fields = named.if_object()) {
      const json::Value* given = fields->find("name");
      if (given != nullptr && !(*given == json::Value(name))) {
        bad_field(detail::join_path(path, "name"), json::describe(*given),
                  quoted(name) + ", the name that it stands under");
      }
      fields->set("name", name);
    }
    add(specs, from_json<Spec>(named, path), path);
  }
}

template <class Spec>
const Spec& look_up(const Specs<Spec>& specs, const std::variant<std::string, Spec>& wanted,
                    std::string_view path) {
  if (const Spec* spec = std::get_if<Spec>(&wanted)) return *spec;
  const std::string& name = *std::get_if<std::string>(&wanted);
  const auto found = specs.find(name);
  if (found != specs.end()) return found->second;
  std::vector<std::string> names;
  std::string all;
  for (const auto& entry : specs) {
    names.push_back(entry.first);
    all += (all.empty() ? "" : ", ") + entry.first;
  }
  bad_field(path, quoted(name),
            (names.empty() ? "an inline object (the catalogue is empty)"
                           : "an inline object, or one of " + all) +
                nearest_text(name, names));
}

}  // namespace

void Catalog::add_models(std::string_view json_text) { add_all(models_, json_text, "models"); }
void Catalog::add_gpus(std::string_view json_text) { add_all(gpus_, json_text, "gpus"); }

void Catalog::add_step_tables(std::string_view json_text) {
  GpuTables tables = parse_gpu_tables(json_text);
  const std::string gpu = tables.gpu;
  if (!step_tables_.emplace(gpu, std::move(tables)).second) {
    bad_field("step_time_tables.gpu", quoted(gpu), "a GPU that has no tables yet");
  }
}

bool Catalog::alters(const GpuSpec& gpu) const {
  const auto numbers = [](const GpuSpec& g) {
    return std::tie(g.hbm_bytes_per_s, g.flops_fp16, g.flops_fp8, g.flops_int8, g.sms, g.link,
                    g.link_bytes_per_s);
  };
  const auto found = gpus_.find(gpu.name);
  return found != gpus_.end() && numbers(found->second) != numbers(gpu);
}

const GpuTables* Catalog::step_tables(std::string_view gpu) const {
  const auto found = step_tables_.find(gpu);
  return found == step_tables_.end() ? nullptr : &found->second;
}

const ModelSpec& Catalog::model(const std::variant<std::string, ModelSpec>& m,
                                std::string_view path) const {
  return look_up(models_, m, path);
}

const GpuSpec& Catalog::gpu(const std::variant<std::string, GpuSpec>& g,
                            std::string_view path) const {
  return look_up(gpus_, g, path);
}

}  // namespace kvsim
