// The parser of scenario/json.hpp.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "kvsim/core/error.hpp"
#include "kvsim/core/sort.hpp"
#include "kvsim/scenario/json.hpp"

namespace kvsim::json {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The nearest double of a number in JSON's syntax; infinite beyond the range.
double nearest_double(std::string_view text) {
#if defined(__cpp_lib_to_chars)
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {
    // from_chars tells neither overflow from underflow nor leaves a value; strtod does.
    return std::strtod(std::string(text).c_str(), nullptr);
  }
  return value;
#else
  // libc++ before 20 has no from_chars for double; without a locale set, strtod reads JSON's
  // syntax.
  return std::strtod(std::string(text).c_str(), nullptr);
#endif
}

// Bytes of the UTF-8 character at the start of text, 0 if it is invalid (Unicode 15, table 3-7).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) {
    return at(i) >= low && at(i) <= high;
  };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return within(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool second = within(1, first == 0xE0 ? 0xA0U : 0x80U, first == 0xED ? 0x9FU : 0xBFU);
    return second && within(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool second = within(1, first == 0xF0 ? 0x90U : 0x80U, first == 0xF4 ? 0x8FU : 0xBFU);
    return second && within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view source, Constants constants)
      : text_(text), source_(source), constants_(constants == Constants::read) {}

  Value document() {
    Value value = parse_value(0);
    skip_space();
    if (at_ < text_.size()) wrong("the end of the text");
    return value;
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool done() const { return at_ >= text_.size(); }

  void skip_space() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at_;
  }

  [[noreturn]] void fail_at(std::size_t place, const std::string& what) const {
    std::size_t line = 1, column = 1;
    for (const char c : text_.substr(0, place)) {
      if (c == '\n') {
        ++line;
        column = 1;
      } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
        ++column;
      }
    }
    fail(ErrorKind::config, std::string(source_) + ": line " + std::to_string(line) + ", column " +
                                std::to_string(column) + ": " + what);
  }

  [[noreturn]] void wrong(std::string_view expected) const {
    std::string found = "the end of the text";
    if (!done()) {
      const std::size_t length = std::max<std::size_t>(utf8_length(text_.substr(at_)), 1);
      found = quoted(text_.substr(at_, length));
    }
    fail_at(at_, "got " + found + "; allowed: " + std::string(expected));
  }

  Value parse_value(int depth) {
    skip_space();
    switch (peek()) {
      case '{':
        return parse_object(depth);
      case '[':
        return parse_array(depth);
      case '"':
        return parse_string();
      case 't':
        return parse_word("true", true);
      case 'f':
        return parse_word("false", false);
      case 'n':
        return parse_word("null", Value());
      default:
        if (constants_) {
          constexpr double infinity = std::numeric_limits<double>::infinity();
          if (peek() == 'N') return parse_word("NaN", std::numeric_limits<double>::quiet_NaN());
          if (peek() == 'I') return parse_word("Infinity", infinity);
          if (text_.substr(at_, 2) == "-I") return parse_word("-Infinity", -infinity);
        }
        if (peek() == '-' || is_digit(peek())) return parse_number();
        wrong("a value: an object, an array, a string, a number, true, false or null");
    }
  }

  Value parse_word(std::string_view word, Value value) {
    for (const char c : word) {
      if (peek() != c) wrong(std::string(word));
      ++at_;
    }
    return value;
  }

  void enter(int depth) const {
    if (depth >= max_depth) {
      fail_at(at_, "arrays and objects are nested deeper than " + std::to_string(max_depth));
    }
  }

  Value parse_array(int depth) {
    enter(depth);
    ++at_;
    Array array;
    skip_space();
    if (peek() == ']') return ++at_, array;
    while (true) {
      array.push_back(parse_value(depth + 1));
      skip_space();
      if (peek() == ']') return ++at_, array;
      if (peek() != ',') wrong("\",\" or \"]\"");
      ++at_;
    }
  }

  Value parse_object(int depth) {
    enter(depth);
    ++at_;
    Object object;
    std::vector<std::pair<std::string, std::size_t>> places;
    skip_space();
    while (peek() != '}' || !object.empty()) {
      skip_space();
      if (peek() != '"') wrong(object.empty() ? "a key in quotes or \"}\"" : "a key in quotes");
      const std::size_t place = at_;
      std::string key = parse_string();
      places.emplace_back(key, place);
      skip_space();
      if (peek() != ':') wrong("\":\"");
      ++at_;
      Value value = parse_value(depth + 1);
      object.members().emplace_back(std::move(key), std::move(value));
      skip_space();
      if (peek() == '}') break;
      if (peek() != ',') wrong("\",\" or \"}\"");
      ++at_;
    }
    ++at_;
    reject_duplicates(places);
    return object;
  }

  void reject_duplicates(std::vector<std::pair<std::string, std::size_t>>& places) const {
    compact_sort(places);
    const auto twice =
        std::adjacent_find(places.begin(), places.end(),
                           [](const auto& a, const auto& b) { return a.first == b.first; });
    if (twice != places.end()) {
      fail_at(std::next(twice)->second, "the key " + quoted(twice->first) + " is there twice");
    }
  }

  std::string parse_string() {
    ++at_;
    std::string out;
    while (peek() != '"') {
      if (done()) wrong("the string's end in quotes");
      const char c = peek();
      if (static_cast<unsigned char>(c) < 0x20) {
        wrong("a character of a string (control characters as \\u escapes)");
      }
      if (c == '\\') {
        parse_escape(out);
        continue;
      }
      const std::size_t length = utf8_length(text_.substr(at_));
      if (length == 0) fail_at(at_, "a byte that is no UTF-8");
      out.append(text_, at_, length);
      at_ += length;
    }
    ++at_;
    return out;
  }

  void parse_escape(std::string& out) {
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const std::size_t place = at_++;
    if (peek() == 'u') {
      append_utf8(parse_code_point(place), out);
      return;
    }
    const std::size_t which = done() ? std::string_view::npos : names.find(peek());
    if (which == std::string_view::npos) wrong("one of \" \\ / b f n r t u after a backslash");
    out += meanings[which];
    ++at_;
  }

  // At the u of \uXXXX; halves of a pair of surrogates come as two of these.
  std::uint32_t parse_code_point(std::size_t place) {
    const std::uint32_t code = parse_hex();
    if (code < 0xD800 || code > 0xDFFF) return code;
    if (code < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      ++at_;
      const std::uint32_t low = parse_hex();
      if (low >= 0xDC00 && low <= 0xDFFF) {
        return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      }
    }
    fail_at(place, "half of a surrogate pair");
  }

  std::uint32_t parse_hex() {
    ++at_;
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) wrong("four hexadecimal digits after \\u");
      code = code * 16 + static_cast<std::uint32_t>(digit);
    }
    return code;
  }

  void skip_digits() {
    if (!is_digit(peek())) wrong("a digit");
    while (is_digit(peek())) ++at_;
  }

  Value parse_number() {
    const std::size_t start = at_;
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
      if (is_digit(peek())) fail_at(start, "a number that begins with 0");
    } else {
      skip_digits();
    }
    bool integral = true;
    if (peek() == '.') {
      integral = false;
      ++at_;
      skip_digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      integral = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      skip_digits();
    }
    const std::string_view text = text_.substr(start, at_ - start);
    if (integral) {
      if (const std::optional<Value> value = exact_integer(text)) return *value;
    }
    const double value = nearest_double(text);
    if (!std::isfinite(value)) {
      fail_at(start, "the number " + std::string(text.substr(0, 40)) + " is beyond 1.8e308");
    }
    if (integral) return LongInteger{value, std::string(text)};
    return value;
  }

  static std::optional<Value> exact_integer(std::string_view text) {
    const char* end = text.data() + text.size();
    std::int64_t value = 0;
    // "-0" keeps its sign as a double only; as an integer it is 0.
    if (std::from_chars(text.data(), end, value).ec == std::errc()) return Value(value);
    std::uint64_t large = 0;
    if (text[0] != '-' && std::from_chars(text.data(), end, large).ec == std::errc()) {
      return Value(large);
    }
    return std::nullopt;
  }

  std::string_view text_;
  std::string_view source_;
  bool constants_;
  std::size_t at_ = 0;
};

}  // namespace

Value parse(std::string_view text, std::string_view source, Constants constants) {
  return Parser(text, source, constants).document();
}

}  // namespace kvsim::json
