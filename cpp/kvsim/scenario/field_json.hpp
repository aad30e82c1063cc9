// Described structs (field.hpp) from JSON and back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
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

bool read_bool(const json::Value& value, const std::string& path);
double read_double(const json::Value& value, const std::string& path, const FieldInfo& info);
// lowest and highest are the type's; integral doubles (8.0) are integers too.
std::int64_t read_int(const json::Value& value, const std::string& path, const FieldInfo& info,
                      std::int64_t lowest, std::int64_t highest);
std::uint64_t read_uint(const json::Value& value, const std::string& path, const FieldInfo& info);
const std::string& read_string(const json::Value& value, const std::string& path);
std::size_t read_choice(const json::Value& value, const std::string& path,
                        const std::vector<std::string>& names);
const json::Array& read_array(const json::Value& value, const std::string& path);
const json::Object& read_object(const json::Value& value, const std::string& path,
                                std::string_view type_name);
// Fails if a member is none of the names.
void check_members(const json::Object& object, const std::string& path, std::string_view type_name,
                   const std::vector<std::string>& names);
// The index among kinds of the object's member "kind".
std::size_t read_kind(const json::Object& object, const std::string& path,
                      const std::vector<std::string>& kinds);
[[noreturn]] void bad_variant(const json::Value& value, const std::string& path,
                              const std::vector<std::string>& kinds);
[[noreturn]] void bad_name_or_struct(const json::Value& value, const std::string& path,
                                     std::string_view type_name);

template <class T>
void read(const json::Value& value, const std::string& path, const FieldInfo& info, T& out);

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

// The preset of a name that stands for the whole struct, or under "preset" beside other members.
template <class T>
T read_preset(const json::Value& name, const std::string& path) {
  const std::vector<std::string> names = T::preset_names();
  return *T::preset(names[read_choice(name, path, names)]);
}

template <Described T>
void read_members(const json::Object& object, const std::string& path, T& out) {
  std::vector<std::string> names;
  if constexpr (DescribedKind<T>) names.emplace_back("kind");
  for_each_field<T>([&](const auto& f) { names.emplace_back(f.name); });
  check_members(object, path, T::type_name, names);
  if constexpr (DescribedKind<T>) {
    // Where a kind is read on its own, not as one of a variant, it may be left out.
    if (object.find("kind") != nullptr) {
      static_cast<void>(read_kind(object, path, {std::string(T::kind)}));
    }
  }
  for_each_field<T>([&](const auto& f) {
    if (const json::Value* member = object.find(f.name)) {
      read(*member, join_path(path, f.name), f.info, out.*(f.member));
    }
  });
  if constexpr (Validated<T>) out.validate(path);
}

// True if T's shorthand field takes a string (or else a number) and value is one.
template <class T>
bool takes_shorthand(const json::Value& value) {
  bool takes = false;
  for_each_field<T>([&]([[maybe_unused]] const auto& f) {
    if constexpr (HasShorthand<T>) {
      if (f.name != T::shorthand) return;
      using Type = typename std::remove_cvref_t<decltype(f)>::type;
      if constexpr (IntegerField<Type> || std::same_as<Type, double>) {
        takes =
            value.if_int() != nullptr || value.if_uint() != nullptr || value.if_double() != nullptr;
      } else {
        takes = value.if_string() != nullptr;
      }
    }
  });
  return takes;
}

template <class T>
void read_shorthand(const json::Value& value, const std::string& path, T& out) {
  if constexpr (HasShorthand<T>) {
    for_each_field<T>([&](const auto& f) {
      using Type = typename std::remove_cvref_t<decltype(f)>::type;
      if constexpr (IntegerField<Type> || std::same_as<Type, double> ||
                    std::same_as<Type, std::string> || DescribedEnum<Type>) {
        if (f.name == T::shorthand) read(value, path, f.info, out.*(f.member));
      }
    });
    if constexpr (Validated<T>) out.validate(path);
  }
}

template <class... Ts>
void read_variant(const json::Value& value, const std::string& path, std::variant<Ts...>& out) {
  const std::vector<std::string> kinds{std::string(Ts::kind)...};
  const json::Object* object = value.if_object();
  std::size_t chosen = sizeof...(Ts);
  if (object != nullptr) {
    chosen = read_kind(*object, path, kinds);
  } else {
    std::size_t index = 0;
    ((chosen = chosen == sizeof...(Ts) && takes_shorthand<Ts>(value) ? index : chosen, ++index),
     ...);
    if (chosen == sizeof...(Ts)) bad_variant(value, path, kinds);
  }
  std::size_t index = 0;
  const auto try_one = [&]<class T>(T fresh) {
    if (index++ != chosen) return;
    if (object != nullptr) {
      read_members(*object, path, fresh);
    } else {
      read_shorthand(value, path, fresh);
    }
    out = std::move(fresh);
  };
  (try_one(Ts{}), ...);
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
    std::vector<std::string> names;
    for (const auto& entry : EnumNames<T>::values) names.emplace_back(entry.second);
    out = EnumNames<T>::values[read_choice(value, path, names)].first;
  } else if constexpr (OptionalField<T>) {
    if (value.is_null()) {
      out.reset();
    } else {
      typename T::value_type content{};
      read(value, path, info, content);
      out = std::move(content);
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
    if (const std::string* name = value.if_string()) {
      out = *name;
    } else if (value.if_object() != nullptr) {
      std::variant_alternative_t<1, T> content{};
      read(value, path, info, content);
      out = std::move(content);
    } else {
      bad_name_or_struct(value, path, std::variant_alternative_t<1, T>::type_name);
    }
  } else if constexpr (KindVariant<T>) {
    read_variant(value, path, out);
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
        read_members(rest, path, out);
        return;
      }
    }
    read_members(read_object(value, path, T::type_name), path, out);
  }
}

template <Described T>
json::Object members_to_json(const T& value) {
  json::Object object;
  if constexpr (DescribedKind<T>) object.members().emplace_back("kind", T::kind);
  for_each_field<T>([&](const auto& f) {
    object.members().emplace_back(std::string(f.name), to_json(value.*(f.member)));
  });
  return object;
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
    return detail::members_to_json(value);
  } else {
    return json::Value(value);
  }
}

}  // namespace kvsim
