// Structs that describe their own fields, without macros:
//
// clang-format off
//   struct Affine {
//     double a_ns = 5e6;
//     static constexpr std::string_view kind = "affine";  // where it is an alternative of a variant
//     static constexpr std::string_view type_name = "Affine";  // in the schema and in Python
//     static constexpr std::string_view doc = "Step time a + b * tokens.";
//     static constexpr auto fields() {
//       return std::tuple{field("a_ns", &Affine::a_ns, {.unit = "ns", .min = 0, .doc = "..."})};
//     }
//     void validate(std::string_view path) const;  // optional; runs after parsing
//   };
// clang-format on
//
// A field is a bool, int32_t, int64_t, uint64_t, double, std::string, an enum with EnumNames, a
// described struct, std::vector or std::optional of a field's type, std::variant of described
// structs with kinds, or std::variant<std::string, Struct> (a name of the catalogue or an inline
// object). An alternative with `static constexpr std::string_view shorthand = "name"` may also be
// written as the bare string or number that field `name` would have.
//
// Defaults are those of a value-initialised struct. scenario/field_json.hpp reads and writes
// described structs, scenario/field_schema.hpp describes them to other programs.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace kvsim {

struct FieldInfo {
  std::string_view unit = {};
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool exclusive_min = false;  // the value must be above min, not at it
  std::string_view doc = {};
  std::string_view choices_from = {};  // names resolved later: "models", "gpus", "datasets"
};

template <class Struct, class T>
struct Field {
  using type = T;
  std::string_view name;
  T Struct::* member;
  FieldInfo info;
};

template <class Struct, class T>
constexpr Field<Struct, T> field(std::string_view name, T Struct::* member, FieldInfo info = {}) {
  return {name, member, info};
}

// Specialised for every enum that is a field, with `name` and `values` (value, text).
template <class Enum>
struct EnumNames;

template <class T>
concept DescribedEnum = std::is_enum_v<T> && requires { EnumNames<T>::values; };

template <class T>
concept Described = requires {
  T::fields();
  { T::type_name } -> std::convertible_to<std::string_view>;
  { T::doc } -> std::convertible_to<std::string_view>;
};

template <class T>
concept DescribedKind = Described<T> && requires {
  { T::kind } -> std::convertible_to<std::string_view>;
};

template <DescribedEnum Enum>
[[nodiscard]] constexpr std::string_view enum_name(Enum value) {
  for (const auto& [candidate, name] : EnumNames<Enum>::values) {
    if (candidate == value) return name;
  }
  return "?";
}

// Calls visit(field) for every field in order.
template <Described T, class Visit>
constexpr void for_each_field(Visit&& visit) {
  std::apply([&](const auto&... fields) { (visit(fields), ...); }, T::fields());
}

namespace detail {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
struct IsKindVariant : std::false_type {};
template <DescribedKind... Ts>
struct IsKindVariant<std::variant<Ts...>> : std::true_type {};

template <class T>
struct IsNameOr : std::false_type {};
template <Described T>
struct IsNameOr<std::variant<std::string, T>> : std::true_type {};

}  // namespace detail

template <class T>
concept OptionalField = detail::IsOptional<T>::value;
template <class T>
concept VectorField = detail::IsVector<T>::value;
template <class T>
concept KindVariant = detail::IsKindVariant<T>::value;
template <class T>
concept NameOrStruct = detail::IsNameOr<T>::value;
template <class T>
concept IntegerField = std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t> ||
                       std::same_as<T, std::uint64_t>;

// Up to three candidates that the writer of `name` may have meant, nearest first: those within a
// third of its length in Levenshtein distance (two at least), case apart, and those that contain it
// or that it contains.
[[nodiscard]] std::vector<std::string> nearest(std::string_view name,
                                               const std::vector<std::string>& candidates);

// "; nearest: a, b", or nothing where nothing is near. For the end of an error's text.
[[nodiscard]] std::string nearest_text(std::string_view name,
                                       const std::vector<std::string>& candidates);

}  // namespace kvsim
