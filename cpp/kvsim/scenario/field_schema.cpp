#include "kvsim/scenario/field_schema.hpp"

#include <cmath>

#include "kvsim/core/error.hpp"

namespace kvsim::detail {

json::Value SchemaBuilder::describe_field(std::string_view name, const FieldInfo& info,
                                          json::Value type, json::Value default_value) {
  const auto bound = [](double value) {
    return std::isfinite(value) ? json::Value(value) : json::Value();
  };
  json::Object object;
  object.set("name", name);
  object.set("type", std::move(type));
  object.set("unit", info.unit);
  object.set("default", std::move(default_value));
  object.set("min", bound(info.min));
  object.set("max", bound(info.max));
  object.set("exclusive_min", info.exclusive_min);
  object.set("doc", info.doc);
  object.set("choices_from", info.choices_from);
  return object;
}

void SchemaBuilder::add(json::Array& list, json::Object entry) {
  const std::string& name = *entry.find("name")->if_string();
  for (const json::Value& present : list) {
    if (*present.if_object()->find("name")->if_string() != name) continue;
    if (present == json::Value(entry)) return;
    fail(ErrorKind::invariant, "two descriptions have the name " + quoted(name));
  }
  list.emplace_back(std::move(entry));
}

json::Value SchemaBuilder::finish(std::string_view root) && {
  json::Object object;
  object.set("root", root);
  object.set("structs", std::move(structs_));
  object.set("enums", std::move(enums_));
  return object;
}

}  // namespace kvsim::detail
