#include "kvsim/scenario/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/sort.hpp"

namespace kvsim::json {

const Value* Object::find(std::string_view key) const {
  for (const Member& member : members_) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

Value* Object::find(std::string_view key) {
  for (Member& member : members_) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

void Object::set(std::string_view key, Value value) {
  if (Value* found = find(key)) {
    *found = std::move(value);
  } else {
    members_.emplace_back(std::string(key), std::move(value));
  }
}

Value::Value(std::uint64_t v) {
  if (v <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    data_ = static_cast<std::int64_t>(v);
  } else {
    data_ = v;
  }
}

bool operator==(const Value& a, const Value& b) {
  if (a.data_.index() != b.data_.index()) return false;
  if (const Object* object = a.if_object()) {
    const Object* other = b.if_object();
    if (object->size() != other->size()) return false;
    return std::all_of(object->members().begin(), object->members().end(), [&](const Member& m) {
      const Value* found = other->find(m.first);
      return found != nullptr && *found == m.second;
    });
  }
  if (const Array* array = a.if_array()) return *array == *b.if_array();
  if (const std::string* string = a.if_string()) return *string == *b.if_string();
  if (const double* number = a.if_double()) return *number == *b.if_double();
  if (const std::int64_t* number = a.if_int()) return *number == *b.if_int();
  if (const std::uint64_t* number = a.if_uint()) return *number == *b.if_uint();
  if (const bool* truth = a.if_bool()) return *truth == *b.if_bool();
  return true;
}

std::string describe(const Value& value) {
  if (value.is_null()) return "null";
  if (value.if_array() != nullptr) return "an array";
  if (value.if_object() != nullptr) return "an object";
  if (const std::string* string = value.if_string()) return quoted(*string);
  if (const LongInteger* integer = value.if_long()) {
    constexpr std::size_t most = 80;
    return integer->digits.size() <= most ? integer->digits
                                          : integer->digits.substr(0, most) + "...";
  }
  if (const double* number = value.if_double()) {
    if (std::isnan(*number)) return "NaN";
    if (std::isinf(*number)) return *number > 0 ? "Infinity" : "-Infinity";
  }
  return write(value);
}

namespace {

void write_string(const std::string& text, std::string& out) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (const auto byte = static_cast<unsigned char>(c); byte < 0x20) {
          out += "\\u00";
          out += hex[byte >> 4];
          out += hex[byte & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

template <class Integer>
void write_integer(Integer value, std::string& out) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void write_to(const Value& value, std::string& out) {
  if (const bool* truth = value.if_bool()) {
    out += *truth ? "true" : "false";
  } else if (const std::int64_t* integer = value.if_int()) {
    write_integer(*integer, out);
  } else if (const std::uint64_t* large = value.if_uint()) {
    write_integer(*large, out);
  } else if (const double* number = value.if_double()) {
    out += write_double(*number);
  } else if (const std::string* string = value.if_string()) {
    write_string(*string, out);
  } else if (const Array* array = value.if_array()) {
    out += '[';
    for (const Value& element : *array) {
      if (&element != array->data()) out += ',';
      write_to(element, out);
    }
    out += ']';
  } else if (const Object* object = value.if_object()) {
    std::vector<const Member*> sorted;
    sorted.reserve(object->size());
    for (const Member& member : object->members()) sorted.push_back(&member);
    compact_sort(sorted, [](const Member* a, const Member* b) { return a->first < b->first; });
    out += '{';
    for (const Member* const& member : sorted) {
      if (&member != sorted.data()) out += ',';
      write_string(member->first, out);
      out += ':';
      write_to(member->second, out);
    }
    out += '}';
  } else {
    out += "null";
  }
}

}  // namespace

std::string write(const Value& value) {
  std::string out;
  write_to(value, out);
  return out;
}

std::string write_double(double value) {
  return std::isfinite(value) ? decimal_text(value) : "null";
}

namespace {

// Takes the first component off the path.
std::string_view next_component(std::string_view& path) {
  const std::size_t dot = path.find('.');
  const std::string_view component = path.substr(0, dot);
  path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  return component;
}

std::optional<std::size_t> index_of(std::string_view component, std::size_t size) {
  std::size_t index = 0;
  const char* end = component.data() + component.size();
  const auto [stop, error] = std::from_chars(component.data(), end, index);
  const bool canonical = component.size() == 1 || (!component.empty() && component[0] != '0');
  if (error != std::errc() || stop != end || !canonical || index >= size) return std::nullopt;
  return index;
}

void check_path(std::string_view path) {
  bool empty = path.empty() || path.back() == '.';
  for (std::string_view rest = path; !empty && !rest.empty();) empty = next_component(rest).empty();
  if (empty) bad_field("path", quoted(path), "names and indices with dots between");
}

// The part of path that comes before rest.
std::string_view walked(std::string_view path, std::string_view rest) {
  return path.substr(0, path.size() - rest.size() - (rest.empty() ? 0 : 1));
}

Value& element_at(Array& array, std::string_view component, std::string_view here) {
  const std::optional<std::size_t> index = index_of(component, array.size());
  if (!index) {
    bad_field(
        here, "index " + quoted(component),
        array.empty() ? "nothing, the array is empty" : "0 to " + std::to_string(array.size() - 1));
  }
  return array[*index];
}

}  // namespace

const Value* find(const Value& root, std::string_view path) {
  check_path(path);
  const Value* value = &root;
  for (std::string_view rest = path; !rest.empty() && value != nullptr;) {
    const std::string_view component = next_component(rest);
    if (const Object* object = value->if_object()) {
      value = object->find(component);
    } else if (const Array* array = value->if_array()) {
      const std::optional<std::size_t> index = index_of(component, array->size());
      value = index ? &(*array)[*index] : nullptr;
    } else {
      value = nullptr;
    }
  }
  return value;
}

const Value& get(const Value& root, std::string_view path) {
  const Value* value = find(root, path);
  if (value == nullptr) bad_field(path, "no such value", "a path that leads to a value");
  return *value;
}

void set(Value& root, std::string_view path, Value value) {
  check_path(path);
  Value* here = &root;
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view component = next_component(rest);
    if (here->is_null()) *here = Object();
    if (Object* object = here->if_object()) {
      if (object->find(component) == nullptr) object->set(component, Value());
      here = object->find(component);
    } else if (Array* array = here->if_array()) {
      here = &element_at(*array, component, walked(path, rest));
    } else {
      const std::string_view at = walked(path, rest);
      const std::size_t end = at.size() - component.size();
      bad_field(end == 0 ? "the whole" : at.substr(0, end - 1), describe(*here),
                "an object or an array, to have " + quoted(component) + " in it");
    }
  }
  *here = std::move(value);
}

}  // namespace kvsim::json
