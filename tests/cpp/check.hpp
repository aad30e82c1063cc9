// A test framework of one header: a test is a function that registers itself, a check prints both
// sides and goes on, REQUIRE leaves the test. The engine's tests need no more, and so no package.
//
//   TEST(event_queue, ties_are_ordered_by_id) {
//     CHECK_EQ(queue.pop().id, 3);
//     CHECK_THROWS_WITH(queue.pop(), kvsim::ConfigError, "empty");
//   }
#pragma once

#include <cmath>
#include <exception>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvsim_test {

struct Case {
  std::string name;
  void (*run)();
};

// Thrown by REQUIRE to leave the running test.
struct Abandon {};

std::vector<Case>& cases();
void report_failure(const char* file, int line, const std::string& what);

struct Register {
  Register(const char* suite, const char* name, void (*run)()) {
    cases().push_back({std::string(suite) + "." + name, run});
  }
};

template <class T>
std::string show(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (requires(std::ostringstream& out) { out << value; }) {
    std::ostringstream out;
    out.precision(17);
    out << value;
    return out.str();
  } else if constexpr (requires {
                         value.begin();
                         value.end();
                       }) {
    std::string text = "{";
    for (const auto& item : value) text += (text.size() > 1 ? ", " : "") + show(item);
    return text + "}";
  } else {
    return "(a value that cannot be printed)";
  }
}

template <class A, class B>
bool equal(const A& a, const B& b) {
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B> && !std::is_same_v<A, bool> &&
                !std::is_same_v<B, bool> && !std::is_same_v<A, char> && !std::is_same_v<B, char>) {
    return std::cmp_equal(a, b);
  } else {
    return a == b;
  }
}

template <class A, class B>
bool check_eq(const A& a, const B& b, const char* text, const char* file, int line) {
  if (equal(a, b)) return true;
  report_failure(file, line,
                 std::string(text) + "\n    left:  " + show(a) + "\n    right: " + show(b));
  return false;
}

inline bool check_near(double a, double b, double tolerance, const char* text, const char* file,
                       int line) {
  if (std::fabs(a - b) <= tolerance) return true;
  report_failure(file, line,
                 std::string(text) + "\n    left:  " + show(a) + "\n    right: " + show(b) +
                     "\n    apart: " + show(std::fabs(a - b)) + " > " + show(tolerance));
  return false;
}

template <class Exception, class F>
bool check_throws(F&& f, const std::string& part, const char* text, const char* file, int line) {
  try {
    f();
  } catch (const Exception& e) {
    if (std::string(e.what()).find(part) != std::string::npos) return true;
    report_failure(file, line,
                   std::string(text) + "\n    message: " + e.what() + "\n    lacks:   " + part);
    return false;
  } catch (const std::exception& e) {
    report_failure(file, line, std::string(text) + "\n    threw another type: " + e.what());
    return false;
  }
  report_failure(file, line, std::string(text) + "\n    threw nothing");
  return false;
}

// The same for exceptions that have a kind(), as kvsim::Error.
template <class Exception, class Kind, class F>
bool check_throws_kind(F&& f, Kind kind, const std::string& part, const char* text,
                       const char* file, int line) {
  try {
    f();
  } catch (const Exception& e) {
    if (e.kind() != kind) {
      report_failure(file, line,
                     std::string(text) + "\n    kind: " + show(e.kind()) + ", not " + show(kind) +
                         "\n    message: " + e.what());
      return false;
    }
    const auto same = [&] { throw e; };
    return check_throws<Exception>(same, part, text, file, line);
  }
  report_failure(file, line, std::string(text) + "\n    threw nothing");
  return false;
}

}  // namespace kvsim_test

#define TEST(suite, name)                                                                  \
  static void suite##_##name##_test();                                                     \
  static const kvsim_test::Register suite##_##name##_registration(#suite, #name,           \
                                                                  &suite##_##name##_test); \
  static void suite##_##name##_test()

#define CHECK(...)                                                                    \
  do {                                                                                \
    if (!(__VA_ARGS__)) kvsim_test::report_failure(__FILE__, __LINE__, #__VA_ARGS__); \
  } while (false)
#define REQUIRE(...)                                                \
  do {                                                              \
    if (!(__VA_ARGS__)) {                                           \
      kvsim_test::report_failure(__FILE__, __LINE__, #__VA_ARGS__); \
      throw kvsim_test::Abandon{};                                  \
    }                                                               \
  } while (false)
#define CHECK_EQ(a, b) \
  static_cast<void>(kvsim_test::check_eq((a), (b), #a " == " #b, __FILE__, __LINE__))
#define CHECK_NEAR(a, b, tolerance) \
  static_cast<void>(                \
      kvsim_test::check_near((a), (b), (tolerance), #a " near " #b, __FILE__, __LINE__))
#define CHECK_THROWS_WITH(expression, Exception, part)                                          \
  static_cast<void>(kvsim_test::check_throws<Exception>([&] { static_cast<void>(expression); }, \
                                                        (part), #expression, __FILE__, __LINE__))
#define CHECK_THROWS(expression, Exception) CHECK_THROWS_WITH(expression, Exception, "")
// kvsim::Error of ErrorKind::kind_name, its message with `part` in it.
#define CHECK_THROWS_KIND(expression, kind_name, part)                                          \
  static_cast<void>(kvsim_test::check_throws_kind<kvsim::Error>(                                \
      [&] { static_cast<void>(expression); }, kvsim::ErrorKind::kind_name, (part), #expression, \
      __FILE__, __LINE__))
