#include "runner/content_keys.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "kvsim/scenario/field_json.hpp"

namespace kvsim::runner {
namespace {

// A field's part of the hashed text.
std::string part(std::string_view name, const json::Value& value) {
  std::string out(name);
  const std::string text = json::write(value);
  if (value.if_object() != nullptr) {
    const Digest digest = sha256(text);
    out.append("#").append(digest.begin(), digest.end());
  } else {
    out.append(":").append(text);
  }
  return out.append("\n");
}

json::Value field_of(const Scenario& scenario, std::string_view name) {
  json::Value out;
  for_each_field<Scenario>([&](const auto& f) {
    if (f.name == name) out = to_json(scenario.*(f.member));
  });
  return out;
}

}  // namespace

ContentKeys::ContentKeys(const json::Value& base, const Points& points,
                         std::map<std::string, std::string> datasets, std::string version)
    : points_(points), datasets_(std::move(datasets)), version_(std::move(version)) {
  for_each_field<Scenario>([&](const auto& f) {
    Field field;
    field.name = f.name;
    field.differs = points.sets(f.name);
    // What few points share is not worth remembering.
    const std::size_t variants = points.variants(f.name);
    if (field.differs && variants <= points.size() / 2) field.variants = variants;
    if (!field.differs) field.common = part(f.name, json::get(base, f.name));
    fields_.push_back(std::move(field));
  });
  std::ranges::sort(fields_, {}, &Field::name);
}

Digest ContentKeys::of(std::size_t i, const Scenario& scenario) {
  std::string text;
  text.reserve(1024);
  for (Field& field : fields_) {
    text += field.differs ? part_of(field, i, scenario) : field.common;
  }
  const auto* lengths = std::get_if<DatasetLengths>(&scenario.workload.lengths);
  return finished(std::move(text), lengths == nullptr ? nullptr : &lengths->name);
}

Digest ContentKeys::of_invalid(const json::Value& scenario) const {
  std::string text;
  for (const Field& field : fields_) {
    const json::Value* value = json::find(scenario, field.name);
    text += part(field.name, value == nullptr ? json::Value() : *value);
  }
  const json::Value* name = json::find(scenario, "workload.lengths.name");
  if (name == nullptr) name = json::find(scenario, "workload.lengths");
  return finished(std::move(text), name == nullptr ? nullptr : name->if_string());
}

std::string ContentKeys::part_of(Field& field, std::size_t i, const Scenario& scenario) {
  if (field.variants == 0) return part(field.name, field_of(scenario, field.name));
  const std::size_t variant = points_.variant(field.name, i);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = field.known.find(variant); found != field.known.end()) {
      return found->second;
    }
  }
  std::string fresh = part(field.name, field_of(scenario, field.name));
  const std::lock_guard lock(mutex_);
  return field.known.try_emplace(variant, std::move(fresh)).first->second;
}

Digest ContentKeys::finished(std::string text, const std::string* dataset) const {
  if (dataset != nullptr) {
    if (const auto found = datasets_.find(*dataset); found != datasets_.end()) {
      text.append("\n").append(found->first).append("=").append(found->second);
    }
  }
  return sha256(text.append(version_));
}

}  // namespace kvsim::runner
