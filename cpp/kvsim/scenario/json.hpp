// JSON values, a strict parser (RFC 8259) and a canonical writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace kvsim::json {

class Value;
using Array = std::vector<Value>;
using Member = std::pair<std::string, Value>;

// Members in the order in which they were written or set; keys are unique.
class Object {
 public:
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] Value* find(std::string_view key);
  void set(std::string_view key, Value value);  // replaces or appends
  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  [[nodiscard]] std::vector<Member>& members() { return members_; }
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool empty() const;

 private:
  std::vector<Member> members_;
};

// An integer beyond uint64: a double, which remembers for messages how it was written.
struct LongInteger {
  double value;
  std::string digits;
};

// Numbers written without fraction and exponent are int64; uint64 holds those from 2^63 to 2^64 - 1
// only (seeds), larger ones and all others are double. 1 and 1.0 are different values.
class Value {
 public:
  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool v) : data_(v) {}
  Value(std::int64_t v) : data_(v) {}
  Value(std::int32_t v) : data_(std::int64_t{v}) {}
  Value(std::uint64_t v);
  Value(double v) : data_(v) {}
  Value(LongInteger v) : data_(std::move(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(const char* v) : data_(std::string(v)) {}
  template <class T>
  Value(T*) = delete;  // a pointer would become a bool
  Value(Array v) : data_(std::move(v)) {}
  Value(Object v) : data_(std::move(v)) {}

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  // A pointer to the content, null if the value is of another type.
  [[nodiscard]] const bool* if_bool() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] const std::int64_t* if_int() const { return std::get_if<std::int64_t>(&data_); }
  [[nodiscard]] const std::uint64_t* if_uint() const { return std::get_if<std::uint64_t>(&data_); }
  [[nodiscard]] const double* if_double() const {
    const LongInteger* integer = if_long();
    return integer != nullptr ? &integer->value : std::get_if<double>(&data_);
  }
  [[nodiscard]] const LongInteger* if_long() const { return std::get_if<LongInteger>(&data_); }
  [[nodiscard]] const std::string* if_string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Array* if_array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] Array* if_array() { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Object* if_object() const { return std::get_if<Object>(&data_); }
  [[nodiscard]] Object* if_object() { return std::get_if<Object>(&data_); }

  friend bool operator==(const Value& a, const Value& b);  // objects: in any order of keys

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, LongInteger, std::string,
               Array, Object>
      data_;
};

// Here, where Value is complete: libc++ wants that of a vector's element.
inline std::size_t Object::size() const { return members_.size(); }
inline bool Object::empty() const { return members_.empty(); }

// Fails with ErrorKind::config, "SOURCE: line 3, column 7: ..." (columns count characters).
// Rejected are duplicate keys, NaN and Infinity, numbers beyond double's range, invalid UTF-8,
// arrays and objects nested deeper than max_depth. A host whose values are not text may write NaN,
// Infinity and -Infinity, so that whatever reads the field refuses them by its name.
inline constexpr int max_depth = 64;
enum class Constants : bool { refused, read };
[[nodiscard]] Value parse(std::string_view text, std::string_view source = "JSON",
                          Constants constants = Constants::refused);

// Canonical: keys sorted by bytes, no spaces, UTF-8 as it is. The bytes are those of Python's
//   json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
// except that NaN and infinities are written as null.
[[nodiscard]] std::string write(const Value& value);

// Shortest digits that give the same double, laid out as Python's repr: 1.0, 1e-05, 1.5e+300.
[[nodiscard]] std::string write_double(double value);

// "workload.arrivals.rate_per_s", "tiers.0.weight": a component that is applied to an array is an
// index. get fails (ErrorKind::config) where there is nothing; set makes missing objects on its way
// (also in place of null) and replaces array elements, but never appends to an array.
[[nodiscard]] const Value* find(const Value& root, std::string_view path);
[[nodiscard]] const Value& get(const Value& root, std::string_view path);
void set(Value& root, std::string_view path, Value value);

// For messages: 'null', '8.5', '"abc"', 'an array', 'an object'.
[[nodiscard]] std::string describe(const Value& value);

}  // namespace kvsim::json
