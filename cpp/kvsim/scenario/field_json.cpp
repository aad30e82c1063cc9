#include "kvsim/scenario/field_json.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "kvsim/core/error.hpp"

namespace kvsim::detail {

namespace {

std::string bound_text(double bound) {
  if (std::abs(bound) < 1e15 && std::floor(bound) == bound) {
    return std::to_string(static_cast<std::int64_t>(bound));
  }
  return json::write_double(bound);
}

std::string list_text(Names names, bool in_quotes) {
  std::string text;
  for (const std::string_view name : names) {
    text.append(text.empty() ? "" : ", ").append(in_quotes ? quoted(name) : std::string(name));
  }
  return text;
}

std::string near(std::string_view name, Names names) {
  return nearest_text(name, std::vector<std::string>(names.begin(), names.end()));
}

bool in_range(double value, const FieldInfo& info) {
  return (info.exclusive_min ? value > info.min : value >= info.min) && value <= info.max;
}

// Calls accept(value) with the integer that a JSON value stands for, if it stands for one.
template <class Accept>
void visit_integer(const json::Value& value, Accept accept) {
  if (const std::int64_t* integer = value.if_int()) {
    accept(*integer);
  } else if (const std::uint64_t* large = value.if_uint()) {
    accept(*large);
  } else if (const double* number = value.if_double()) {
    if (std::floor(*number) != *number) return;
    if (*number >= -0x1p63 && *number < 0x1p63) {
      accept(static_cast<std::int64_t>(*number));
    } else if (*number > 0 && *number < 0x1p64) {
      accept(static_cast<std::uint64_t>(*number));
    }
  }
}

}  // namespace

std::string join_path(std::string_view path, std::string_view name) {
  std::string joined(path);
  if (!joined.empty()) joined += '.';
  return joined.append(name);
}

std::string allowed_number(const FieldInfo& info, std::string_view type) {
  std::string text(type);
  const bool has_min = std::isfinite(info.min);
  if (has_min) text += (info.exclusive_min ? " > " : " >= ") + bound_text(info.min);
  if (std::isfinite(info.max)) text += (has_min ? " and <= " : " <= ") + bound_text(info.max);
  if (!info.unit.empty()) text.append(" (").append(info.unit).append(")");
  return text;
}

bool read_bool(const json::Value& value, const std::string& path) {
  const bool* truth = value.if_bool();
  if (truth == nullptr) bad_field(path, json::describe(value), "true or false");
  return *truth;
}

double read_double(const json::Value& value, const std::string& path, const FieldInfo& info) {
  std::optional<double> number;
  if (const double* real = value.if_double()) number = *real;
  if (const std::int64_t* integer = value.if_int()) number = static_cast<double>(*integer);
  if (const std::uint64_t* large = value.if_uint()) number = static_cast<double>(*large);
  if (!number || !std::isfinite(*number) || !in_range(*number, info)) {
    bad_field(path, json::describe(value), allowed_number(info, "a number"));
  }
  return *number;
}

std::int64_t read_int(const json::Value& value, const std::string& path, const FieldInfo& info,
                      std::int64_t lowest, std::int64_t highest) {
  std::optional<std::int64_t> result;
  visit_integer(value, [&](auto integer) {
    if (std::cmp_greater_equal(integer, lowest) && std::cmp_less_equal(integer, highest)) {
      result = static_cast<std::int64_t>(integer);
    }
  });
  if (!result || !in_range(static_cast<double>(*result), info)) {
    FieldInfo shown = info;
    // The type's own range is worth telling where it is what a number has left.
    if (!result && (value.if_int() != nullptr || value.if_uint() != nullptr)) {
      shown.min = std::max(shown.min, static_cast<double>(lowest));
      shown.max = std::min(shown.max, static_cast<double>(highest));
    }
    bad_field(path, json::describe(value), allowed_number(shown, "an integer"));
  }
  return *result;
}

std::uint64_t read_uint(const json::Value& value, const std::string& path, const FieldInfo& info) {
  std::optional<std::uint64_t> result;
  visit_integer(value, [&](auto integer) {
    if (std::cmp_greater_equal(integer, 0)) result = static_cast<std::uint64_t>(integer);
  });
  if (!result || !in_range(static_cast<double>(*result), info)) {
    FieldInfo shown = info;
    shown.min = std::max(shown.min, 0.0);
    std::string allowed = allowed_number(shown, "an integer");
    if (std::isinf(shown.max)) allowed += " and < 2^64";
    bad_field(path, json::describe(value), allowed);
  }
  return *result;
}

const std::string& read_string(const json::Value& value, const std::string& path) {
  const std::string* string = value.if_string();
  if (string == nullptr) bad_field(path, json::describe(value), "a string");
  return *string;
}

std::size_t read_choice(const json::Value& value, const std::string& path, Names names) {
  const std::string* string = value.if_string();
  const auto found =
      string == nullptr ? names.end() : std::find(names.begin(), names.end(), *string);
  if (found == names.end()) {
    bad_field(path, json::describe(value),
              list_text(names, true) + (string == nullptr ? "" : near(*string, names)));
  }
  return static_cast<std::size_t>(found - names.begin());
}

const json::Array& read_array(const json::Value& value, const std::string& path) {
  const json::Array* array = value.if_array();
  if (array == nullptr) bad_field(path, json::describe(value), "an array");
  return *array;
}

const json::Object& read_object(const json::Value& value, const std::string& path,
                                std::string_view type_name) {
  const json::Object* object = value.if_object();
  if (object == nullptr) {
    bad_field(path.empty() ? type_name : path, json::describe(value),
              "an object with the fields of " + std::string(type_name));
  }
  return *object;
}

namespace {

// Fails if a member is none of the struct's.
void check_members(const json::Object& object, const std::string& path, const StructType& type) {
  std::vector<std::string_view> names;
  if (!type.kind.empty()) names.emplace_back("kind");
  for (const MemberType& member : type.members) names.push_back(member.name);
  for (const json::Member& member : object.members()) {
    if (std::find(names.begin(), names.end(), member.first) != names.end()) continue;
    fail(ErrorKind::config, join_path(path, member.first) + ": unknown field" +
                                near(member.first, names) + "; allowed in " +
                                std::string(type.type_name) + ": " +
                                (names.empty() ? "nothing" : list_text(names, false)));
  }
}

// The index among kinds of the object's member "kind".
std::size_t read_kind(const json::Object& object, const std::string& path, Names kinds) {
  const json::Value* kind = object.find("kind");
  if (kind == nullptr) {
    bad_field(join_path(path, "kind"), "nothing", list_text(kinds, true));
  }
  return read_choice(*kind, join_path(path, "kind"), kinds);
}

bool takes_shorthand(const StructType& type, const json::Value& value) {
  if (type.shorthand_of == ShorthandOf::number) {
    return value.if_int() != nullptr || value.if_uint() != nullptr || value.if_double() != nullptr;
  }
  return type.shorthand_of == ShorthandOf::string && value.if_string() != nullptr;
}

[[noreturn]] void bad_variant(const json::Value& value, const std::string& path, Names kinds) {
  const std::string* string = value.if_string();
  bad_field(path, json::describe(value),
            "an object with a kind of " + list_text(kinds, true) +
                (string == nullptr ? "" : near(*string, kinds)));
}

}  // namespace

void read_members(const json::Object& object, const std::string& path, const StructType& type,
                  void* out) {
  check_members(object, path, type);
  // Where a kind is read on its own, not as one of a variant, it may be left out.
  if (!type.kind.empty() && object.find("kind") != nullptr) {
    static_cast<void>(read_kind(object, path, {&type.kind, 1}));
  }
  for (const MemberType& member : type.members) {
    if (const json::Value* value = object.find(member.name)) {
      member.type->read(*value, join_path(path, member.name), member.info, member.of(out));
    }
  }
  if (type.validate != nullptr) type.validate(out, path);
}

void read_variant(const json::Value& value, const std::string& path,
                  std::span<const Alternative> alternatives, void* out) {
  std::vector<std::string_view> kinds;
  for (const Alternative& a : alternatives) kinds.push_back(a.type->kind);
  if (const json::Object* object = value.if_object()) {
    const Alternative& chosen = alternatives[read_kind(*object, path, kinds)];
    read_members(*object, path, *chosen.type, chosen.emplace(out));
    return;
  }
  const auto chosen = std::ranges::find_if(
      alternatives, [&](const Alternative& a) { return takes_shorthand(*a.type, value); });
  if (chosen == alternatives.end()) bad_variant(value, path, kinds);
  void* object = chosen->emplace(out);
  const MemberType& member = *chosen->type->shorthand;
  member.type->read(value, path, member.info, member.of(object));
  if (chosen->type->validate != nullptr) chosen->type->validate(object, path);
}

json::Value write_members(const StructType& type, const void* value) {
  json::Object object;
  if (!type.kind.empty()) object.members().emplace_back("kind", type.kind);
  for (const MemberType& member : type.members) {
    // The table has one way to a member, for reading and writing.
    const void* content = member.of(const_cast<void*>(value));
    object.members().emplace_back(std::string(member.name), member.type->write(content));
  }
  return object;
}

void bad_name_or_struct(const json::Value& value, const std::string& path,
                        std::string_view type_name) {
  bad_field(path, json::describe(value),
            "a name or an object with the fields of " + std::string(type_name));
}

}  // namespace kvsim::detail
