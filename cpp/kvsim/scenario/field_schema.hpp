// The description of described structs (field.hpp) as JSON, from which Python classes, the CLI's
// help, docs and widgets are generated:
//
// clang-format off
//   {"root": "Scenario",
//    "structs": [{"name": "Affine", "kind": "affine" or null, "shorthand": "name" or null,
//                 "doc": "...", "presets": {NAME: the whole struct},
//                 "fields": [{"name": "a_ns", "type": TYPE, "unit": "ns", "default": 5000000.0,
//                             "min": 0.0 or null, "max": null, "exclusive_min": false,
//                             "doc": "...", "choices_from": "models" or ""}]}],
//    "enums": [{"name": "Record", "values": ["summary", ...]}]}
// clang-format on
//
// Structs and enums come before those that use them. TYPE is {"type": T} with T one of
//   bool int32 int64 uint64 double string,
//   enum (with "enum": name), struct ("struct": name), optional and list ("of": TYPE),
//   variant ("kinds": [...], "structs": [...], as many),
//   name_or_struct ("struct": name; the name is one of choices_from).
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "kvsim/scenario/field.hpp"
#include "kvsim/scenario/field_json.hpp"
#include "kvsim/scenario/json.hpp"

namespace kvsim {

namespace detail {

class SchemaBuilder {
 public:
  template <class T>
  json::Value type() {
    json::Object object;
    if constexpr (std::same_as<T, bool>) {
      object.set("type", "bool");
    } else if constexpr (std::same_as<T, std::int32_t>) {
      object.set("type", "int32");
    } else if constexpr (std::same_as<T, std::int64_t>) {
      object.set("type", "int64");
    } else if constexpr (std::same_as<T, std::uint64_t>) {
      object.set("type", "uint64");
    } else if constexpr (std::same_as<T, double>) {
      object.set("type", "double");
    } else if constexpr (std::same_as<T, std::string>) {
      object.set("type", "string");
    } else if constexpr (DescribedEnum<T>) {
      object.set("type", "enum");
      object.set("enum", EnumNames<T>::name);
      add_enum<T>();
    } else if constexpr (OptionalField<T> || VectorField<T>) {
      object.set("type", OptionalField<T> ? "optional" : "list");
      object.set("of", type<typename T::value_type>());
    } else if constexpr (NameOrStruct<T>) {
      object.set("type", "name_or_struct");
      object.set("struct", std::variant_alternative_t<1, T>::type_name);
      add_struct<std::variant_alternative_t<1, T>>();
    } else if constexpr (KindVariant<T>) {
      object.set("type", "variant");
      add_alternatives(object, static_cast<const T*>(nullptr));
    } else {
      static_assert(Described<T>, "a field of a type that is not supported");
      object.set("type", "struct");
      object.set("struct", T::type_name);
      add_struct<T>();
    }
    return object;
  }

  [[nodiscard]] json::Value finish(std::string_view root) &&;

 private:
  template <class... Ts>
  void add_alternatives(json::Object& object, const std::variant<Ts...>*) {
    object.set("kinds", json::Array{Ts::kind...});
    object.set("structs", json::Array{Ts::type_name...});
    (add_struct<Ts>(), ...);
  }

  template <class T>
  void add_enum() {
    json::Array values;
    for (const auto& entry : EnumNames<T>::values) values.emplace_back(entry.second);
    json::Object object;
    object.set("name", EnumNames<T>::name);
    object.set("values", std::move(values));
    add(enums_, std::move(object));
  }

  template <Described T>
  void add_struct() {
    json::Array fields;
    const T defaults{};
    for_each_field<T>([&](const auto& f) {
      using Type = typename std::remove_cvref_t<decltype(f)>::type;
      fields.push_back(describe_field(f.name, f.info, type<Type>(), to_json(defaults.*(f.member))));
    });
    json::Object object;
    object.set("name", T::type_name);
    object.set("kind", json::Value());
    if constexpr (DescribedKind<T>) object.set("kind", T::kind);
    object.set("shorthand", json::Value());
    if constexpr (HasShorthand<T>) object.set("shorthand", T::shorthand);
    json::Object presets;
    if constexpr (HasPresets<T>) {
      for (const std::string& name : T::preset_names())
        presets.set(name, to_json(*T::preset(name)));
    }
    object.set("presets", std::move(presets));
    object.set("doc", T::doc);
    object.set("fields", std::move(fields));
    add(structs_, std::move(object));
  }

  static json::Value describe_field(std::string_view name, const FieldInfo& info, json::Value type,
                                    json::Value default_value);
  // Once a name; two different things of one name are an error.
  static void add(json::Array& list, json::Object entry);

  json::Array structs_;
  json::Array enums_;
};

}  // namespace detail

template <Described T>
[[nodiscard]] json::Value schema_json() {
  detail::SchemaBuilder builder;
  static_cast<void>(builder.type<T>());
  return std::move(builder).finish(T::type_name);
}

}  // namespace kvsim
