// Described structs (field.hpp) from JSON and back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "kvsim/scenario/field.hpp"
#include "kvsim/scenario/json.hpp"

namespace kvsim {

// Strict: an unknown field, a wrong type, a value out of range, an unknown kind or name fails with
// ErrorKind::config and names the dotted path, the value, what is allowed and the nearest names.
// Fields that are missing keep their defaults. `path` is where the value stands, "" for the root.
template <class T>
[[nodiscard]] T from_json(const json::Value& value, std::string_view path = "");

// Every field, defaults included; optional fields that are not set are null.
template <class T>
[[nodiscard]] json::Value to_json(const T& value);

namespace detail {

[[nodiscard]] std::string join_path(std::string_view path, std::string_view name);
[[nodiscard]] std::string allowed_number(const FieldInfo& info, std::string_view type);

using Names = std::span<const std::string_view>;

// A described type as a table, so that one function reads and writes them all: code for each of
// hundreds of fields would be most of the engine's size. `void*` is a value of the type at hand.
struct ValueType {
  void (*read)(const json::Value& value, const std::string& path, const FieldInfo& info, void* out);
  json::Value (*write)(const void* value);
};
struct MemberType {
  std::string_view name;
  FieldInfo info;  // without its texts, which only field_schema.hpp shows
  const ValueType* type;
  void* (*of)(void* object);
};
enum class ShorthandOf : std::uint8_t { nothing, string, number };
struct StructType {
  std::string_view type_name;
  std::string_view kind;  // empty if it has none
  std::span<const MemberType> members;
  void (*validate)(const void* object, std::string_view path);  // may be null
  const MemberType* shorthand;                                  // may be null
  ShorthandOf shorthand_of;
};
struct Alternative {
  const StructType* type;
  void* (*emplace)(void* variant);
};

bool read_bool(const json::Value& value, const std::string& path);
double read_double(const json::Value& value, const std::string& path, const FieldInfo& info);
// lowest and highest are the type's; integral doubles (8.0) are integers too.
std::int64_t read_int(const json::Value& value, const std::string& path, const FieldInfo& info,
                      std::int64_t lowest, std::int64_t highest);
std::uint64_t read_uint(const json::Value& value, const std::string& path, const FieldInfo& info);
const std::string& read_string(const json::Value& value, const std::string& path);
std::size_t read_choice(const json::Value& value, const std::string& path, Names names);
const json::Array& read_array(const json::Value& value, const std::string& path);
const json::Object& read_object(const json::Value& value, const std::string& path,
                                std::string_view type_name);
void read_members(const json::Object& object, const std::string& path, const StructType& type,
                  void* out);
void read_variant(const json::Value& value, const std::string& path,
                  std::span<const Alternative> alternatives, void* out);
[[noreturn]] void bad_name_or_struct(const json::Value& value, const std::string& path,
                                     std::string_view type_name);
[[nodiscard]] json::Value write_members(const StructType& type, const void* value);

template <class T>
concept Validated = requires(const T& t, std::string_view path) { t.validate(path); };

template <class T>
concept HasShorthand = requires {
  { T::shorthand } -> std::convertible_to<std::string_view>;
};

template <class T>
concept HasPresets = requires(std::string_view name) {
  { T::preset_names() } -> std::convertible_to<std::vector<std::string>>;
  { T::preset(name) } -> std::same_as<std::optional<T>>;
};

template <class T>
void read(const json::Value& value, const std::string& path, const FieldInfo& info, T& out);

template <class T>
inline constexpr ValueType value_type{
    [](const json::Value& value, const std::string& path, const FieldInfo& info, void* out) {
      read(value, path, info, *static_cast<T*>(out));
    },
    [](const void* value) { return to_json(*static_cast<const T*>(value)); }};

template <Described T>
inline constexpr auto fields_of = T::fields();

template <Described T, std::size_t I>
constexpr MemberType member_type() {
  constexpr const auto& f = std::get<I>(fields_of<T>);
  using Type = typename std::remove_cvref_t<decltype(f)>::type;
  FieldInfo info = f.info;
  info.doc = info.choices_from = {};
  return {f.name, info, &value_type<Type>, [](void* object) -> void* {
            return &(static_cast<T*>(object)->*(std::get<I>(fields_of<T>).member));
          }};
}

template <Described T>
inline constexpr auto members_of = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<MemberType, sizeof...(I)>{member_type<T, I>()...};
}(std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<decltype(fields_of<T>)>>>{});

template <Described T>
constexpr StructType describe_struct() {
  StructType result{T::type_name, {}, members_of<T>, nullptr, nullptr, ShorthandOf::nothing};
  if constexpr (DescribedKind<T>) result.kind = T::kind;
  if constexpr (Validated<T>) {
    result.validate = [](const void* object, std::string_view path) {
      static_cast<const T*>(object)->validate(path);
    };
  }
  if constexpr (HasShorthand<T>) {
    std::size_t i = 0;
    for_each_field<T>([&](const auto& f) {
      using Type = typename std::remove_cvref_t<decltype(f)>::type;
      constexpr bool number = IntegerField<Type> || std::same_as<Type, double>;
      if (f.name == T::shorthand) {
        result.shorthand = &members_of<T>[i];
        result.shorthand_of = number ? ShorthandOf::number : ShorthandOf::string;
      }
      ++i;
    });
  }
  return result;
}

template <Described T>
inline constexpr StructType struct_type = describe_struct<T>();

template <DescribedEnum E>
inline constexpr auto names_of = [] {
  std::array<std::string_view, std::size(EnumNames<E>::values)> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = EnumNames<E>::values[i].second;
  return names;
}();

template <class T>
struct Alternatives;
template <class... Ts>
struct Alternatives<std::variant<Ts...>> {
  static constexpr std::array<Alternative, sizeof...(Ts)> table{
      Alternative{&struct_type<Ts>, [](void* variant) -> void* {
                    return &static_cast<std::variant<Ts...>*>(variant)->template emplace<Ts>();
                  }}...};
};

// The preset of a name that stands for the whole struct, or under "preset" beside other members.
template <class T>
T read_preset(const json::Value& name, const std::string& path) {
  const std::vector<std::string> names = T::preset_names();
  return *T::preset(
      names[read_choice(name, path, std::vector<std::string_view>(names.begin(), names.end()))]);
}

template <class T>
void read(const json::Value& value, const std::string& path, const FieldInfo& info, T& out) {
  if constexpr (std::same_as<T, bool>) {
    out = read_bool(value, path);
  } else if constexpr (std::same_as<T, double>) {
    out = read_double(value, path, info);
  } else if constexpr (std::same_as<T, std::uint64_t>) {
    out = read_uint(value, path, info);
  } else if constexpr (IntegerField<T>) {
    out = static_cast<T>(
        read_int(value, path, info, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  } else if constexpr (std::same_as<T, std::string>) {
    out = read_string(value, path);
  } else if constexpr (DescribedEnum<T>) {
    out = EnumNames<T>::values[read_choice(value, path, names_of<T>)].first;
  } else if constexpr (OptionalField<T>) {
    if (value.is_null()) {
      out.reset();
    } else {
      read(value, path, info, out.emplace());
    }
  } else if constexpr (VectorField<T>) {
    const json::Array& array = read_array(value, path);
    out.clear();
    out.reserve(array.size());
    for (std::size_t i = 0; i < array.size(); ++i) {
      typename T::value_type element{};
      read(array[i], join_path(path, std::to_string(i)), info, element);
      out.push_back(std::move(element));
    }
  } else if constexpr (NameOrStruct<T>) {
    using Struct = std::variant_alternative_t<1, T>;
    if (const std::string* name = value.if_string()) {
      out = *name;
    } else if (value.if_object() != nullptr) {
      read(value, path, info, out.template emplace<Struct>());
    } else {
      bad_name_or_struct(value, path, Struct::type_name);
    }
  } else if constexpr (KindVariant<T>) {
    read_variant(value, path, Alternatives<T>::table, &out);
  } else {
    static_assert(Described<T>, "a field of a type that is not supported");
    if constexpr (HasPresets<T>) {
      if (value.if_string() != nullptr) {
        out = read_preset<T>(value, path);
        return;
      }
      const json::Object* object = value.if_object();
      const json::Value* preset = object == nullptr ? nullptr : object->find("preset");
      if (preset != nullptr) {
        out = read_preset<T>(*preset, join_path(path, "preset"));
        json::Object rest;
        for (const auto& [name, member] : object->members()) {
          if (name != "preset") rest.set(name, member);
        }
        read_members(rest, path, struct_type<T>, &out);
        return;
      }
    }
    read_members(read_object(value, path, T::type_name), path, struct_type<T>, &out);
  }
}

}  // namespace detail

template <class T>
T from_json(const json::Value& value, std::string_view path) {
  T out{};
  detail::read(value, std::string(path), FieldInfo{}, out);
  return out;
}

template <class T>
json::Value to_json(const T& value) {
  if constexpr (DescribedEnum<T>) {
    return enum_name(value);
  } else if constexpr (OptionalField<T>) {
    return value.has_value() ? to_json(*value) : json::Value();
  } else if constexpr (VectorField<T>) {
    json::Array array;
    array.reserve(value.size());
    for (const auto& element : value) array.push_back(to_json(element));
    return array;
  } else if constexpr (NameOrStruct<T> || KindVariant<T>) {
    return std::visit([](const auto& content) { return to_json(content); }, value);
  } else if constexpr (Described<T>) {
    return detail::write_members(detail::struct_type<T>, &value);
  } else {
    return json::Value(value);
  }
}

}  // namespace kvsim
