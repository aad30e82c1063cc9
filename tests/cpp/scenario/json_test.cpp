#include "kvsim/scenario/json.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/philox.hpp"

namespace json = kvsim::json;
using json::Value;

namespace {

std::string rewritten(std::string_view text) { return json::write(json::parse(text)); }

}  // namespace

TEST(json, canonical_form) {
  CHECK_EQ(rewritten(" { \"b\" : [ 1 , 2.50 , -3e2 ] ,\n\t\"a\" : { } , \"\" : null }\r\n"),
           "{\"\":null,\"a\":{},\"b\":[1,2.5,-300.0]}");
  CHECK_EQ(rewritten("[true,false,null,[],\"x\"]"), "[true,false,null,[],\"x\"]");
  CHECK_EQ(rewritten("0"), "0");
  CHECK_EQ(rewritten("-0"), "0");
  CHECK_EQ(rewritten("-0.0"), "-0.0");
  CHECK_EQ(rewritten("1.0"), "1.0");
  CHECK_EQ(rewritten("1"), "1");
  CHECK_EQ(rewritten("1E2"), "100.0");
  // Sorted by bytes, which for UTF-8 is by code point: before any other letter "Z" < "a" < "é".
  CHECK_EQ(rewritten("{\"\xC3\xA9\":1,\"a\":2,\"Z\":3}"), "{\"Z\":3,\"a\":2,\"\xC3\xA9\":1}");
}

TEST(json, integers_keep_all_their_digits) {
  CHECK_EQ(rewritten("9223372036854775807"), "9223372036854775807");
  CHECK_EQ(rewritten("-9223372036854775808"), "-9223372036854775808");
  CHECK_EQ(rewritten("18446744073709551615"), "18446744073709551615");
  CHECK_EQ(rewritten("18446744073709551616"), "1.8446744073709552e+19");
  CHECK_EQ(rewritten("-9223372036854775809"), "-9.223372036854776e+18");
  CHECK(json::parse("5").if_int() != nullptr);
  CHECK(json::parse("9223372036854775808").if_uint() != nullptr);
  CHECK(json::parse("5.0").if_double() != nullptr);
  CHECK(Value(std::uint64_t{5}) == Value(5));
  CHECK(!(Value(5) == Value(5.0)));
}

TEST(json, doubles_are_written_as_python_does) {
  CHECK_EQ(json::write_double(0.1), "0.1");
  CHECK_EQ(json::write_double(5e6), "5000000.0");
  CHECK_EQ(json::write_double(123456.789), "123456.789");
  CHECK_EQ(json::write_double(1e-4), "0.0001");
  CHECK_EQ(json::write_double(0.00012345), "0.00012345");
  CHECK_EQ(json::write_double(1e-5), "1e-05");
  CHECK_EQ(json::write_double(1.25e-7), "1.25e-07");
  CHECK_EQ(json::write_double(9999999999999998.0), "9999999999999998.0");
  CHECK_EQ(json::write_double(1e16), "1e+16");
  CHECK_EQ(json::write_double(-1.5e300), "-1.5e+300");
  CHECK_EQ(json::write_double(5e-324), "5e-324");
  CHECK_EQ(json::write_double(1.7976931348623157e308), "1.7976931348623157e+308");
  CHECK_EQ(json::write_double(std::nan("")), "null");
  CHECK_EQ(json::write_double(-std::numeric_limits<double>::infinity()), "null");
}

TEST(json, every_double_comes_back) {
  const kvsim::Stream stream(1, 2);
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const auto x = std::bit_cast<double>(stream.word(i));
    if (!std::isfinite(x)) continue;
    const Value value = json::parse(json::write_double(x));
    REQUIRE(value.if_double() != nullptr);
    REQUIRE(std::bit_cast<std::uint64_t>(*value.if_double()) == std::bit_cast<std::uint64_t>(x));
  }
  CHECK_EQ(*json::parse("1e-400").if_double(), 0.0);
  CHECK_EQ(*json::parse("2.2250738585072011e-308").if_double(), 2.2250738585072011e-308);
  CHECK_EQ(*json::parse("0.1000000000000000055511151231257827021181583404541015625").if_double(),
           0.1);
}

TEST(json, strings) {
  CHECK_EQ(*json::parse(R"("\"\\\/\b\f\n\r\t")").if_string(), "\"\\/\b\f\n\r\t");
  CHECK_EQ(*json::parse(R"("\u0041\u00e9\u20AC\ud83d\ude00")").if_string(),
           "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  CHECK_EQ(*json::parse("\"\xF0\x9F\x98\x80 \xED\x9F\xBF\"").if_string(),
           "\xF0\x9F\x98\x80 \xED\x9F\xBF");
  CHECK_EQ(json::parse(R"("a\u0000b")").if_string()->size(), 3);
  CHECK_EQ(rewritten(R"("\u0000\u001f\u007f\/")"), "\"\\u0000\\u001f\x7F/\"");
}

TEST(json, errors_say_where) {
  const auto bad = [](std::string_view text, const std::string& message) {
    CHECK_THROWS_KIND(json::parse(text, "file.json"), config, message);
  };
  bad("{\n  \"a\": 1,\n  \"b\" 2}", "file.json: line 3, column 7: got \"2\"; allowed: \":\"");
  // Columns count characters, not bytes.
  bad("[\"\xC3\xA9\xC3\xA9\" 1]", "line 1, column 7: got \"1\"; allowed: \",\" or \"]\"");
  bad("", "line 1, column 1: got the end of the text");
  bad("  ", "line 1, column 3: got the end of the text");
  bad("{\"a\":1,\"b\":[{\"a\":2,\"a\":3}]}", "column 20: the key \"a\" is there twice");
  bad("{\"b\":1,\"a\":1,\"b\":2}", "column 14: the key \"b\" is there twice");
  bad("[1,]", "column 4");
  bad("[,1]", "column 2");
  bad("{\"a\":1,}", "a key in quotes");
  bad("{,}", "a key in quotes or");
  bad("{a:1}", "got \"a\"; allowed: a key in quotes or \"}\"");
  bad("{\"a\":1 \"b\":2}", "allowed: \",\" or \"}\"");
  bad("[1 2]", "allowed: \",\" or \"]\"");
  bad("1 2", "allowed: the end of the text");
  bad("nul", "got the end of the text; allowed: null");
  bad("True", "allowed: a value");
  bad("'a'", "allowed: a value");
  bad("\xEF\xBB\xBF{}", "column 1: got");
}

TEST(json, numbers_that_are_none) {
  for (const char* text : {"NaN", "Infinity", "-Infinity", "+1", ".5", "5.", "01", "-01", "1e",
                           "1e+", "-", "0x10", "1_000", "1.e5", "--1", "- 1"}) {
    CHECK_THROWS_KIND(json::parse(text), config, "JSON: line 1, column");
  }
  CHECK_THROWS_KIND(json::parse("1e309"), config, "the number 1e309 is beyond");
  CHECK_THROWS_KIND(json::parse("-1e999999999999"), config, "is beyond");
  CHECK_THROWS_KIND(json::parse(std::string(400, '9')), config, "is beyond");
}

TEST(json, strings_that_are_none) {
  for (const char* text :
       {"\"abc", "\"a\nb\"", "\"\t\"", "\"\\x41\"", "\"\\u12g4\"", "\"\\u123\"", "\"\\",
        "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\xFF\"", "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE2\x82\"", "\"\x80\""}) {
    CHECK_THROWS_KIND(json::parse(text), config, "JSON: line 1, column");
  }
}

TEST(json, nesting_is_limited) {
  const std::string deepest = std::string(json::max_depth, '[') + std::string(json::max_depth, ']');
  CHECK_EQ(rewritten(deepest), deepest);
  CHECK_THROWS_KIND(json::parse("[" + deepest + "]"), config, "nested deeper than 64");
  CHECK_THROWS_KIND(json::parse(std::string(1'000'000, '[')), config, "nested deeper than 64");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  CHECK_THROWS_KIND(json::parse(objects), config, "nested deeper than 64");
}

TEST(json, every_truncation_is_an_error) {
  const std::string text = R"({"a": [1, 2.5e3, "x\u00e9\n", true], "b": {"c": null, "d": -0.0}})";
  CHECK_EQ(rewritten(text),
           "{\"a\":[1,2500.0,\"x\xC3\xA9\\n\",true],\"b\":{\"c\":null,\"d\":-0.0}}");
  for (std::size_t length = 0; length < text.size(); ++length) {
    CHECK_THROWS_KIND(json::parse(text.substr(0, length)), config, "JSON: line 1, column");
  }
}

TEST(json, no_damaged_text_does_harm) {
  const std::string text = R"({"a": [1, 2.5e3, "x\u00e9\n", true], "b": {"c": null, "d": -0.0}})";
  const kvsim::Stream stream(3, 3);
  int accepted = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    std::string damaged = text;
    for (std::uint64_t change = 0; change <= i % 3; ++change) {
      const auto words = stream.block(i, change);
      damaged[words[0] % damaged.size()] = static_cast<char>(words[1]);
    }
    try {
      const std::string once = rewritten(damaged);
      CHECK_EQ(rewritten(once), once);
      ++accepted;
    } catch (const kvsim::Error& e) {
      CHECK_EQ(e.kind(), kvsim::ErrorKind::config);
    }
  }
  CHECK(accepted > 0);
}

TEST(json, paths_lead_to_values) {
  const Value root = json::parse(R"({"a": {"b": [10, {"c": 1}]}, "0": 2})");
  CHECK_EQ(*json::get(root, "a.b.0").if_int(), 10);
  CHECK_EQ(*json::get(root, "a.b.1.c").if_int(), 1);
  CHECK_EQ(*json::get(root, "0").if_int(), 2);
  CHECK(json::find(root, "a.x") == nullptr);
  CHECK(json::find(root, "a.b.2") == nullptr);
  CHECK(json::find(root, "a.b.00") == nullptr);
  CHECK(json::find(root, "a.b.-1") == nullptr);
  CHECK(json::find(root, "a.b.0.c") == nullptr);
  CHECK_THROWS_KIND(json::get(root, "a.x"), config, "a.x: got no such value");
  for (const char* path : {"", ".", "a.", ".a", "a..b"}) {
    CHECK_THROWS_KIND(json::find(root, path), config, "path: got");
  }
}

TEST(json, paths_set_values) {
  Value root = json::parse(R"({"a": {"b": [10, {"c": 1}]}, "n": null})");
  json::set(root, "a.b.1.c", 2.5);
  json::set(root, "a.b.0", "x");
  json::set(root, "a.new.deep", true);
  json::set(root, "n.m", std::int64_t{3});
  CHECK_EQ(json::write(root), R"({"a":{"b":["x",{"c":2.5}],"new":{"deep":true}},"n":{"m":3}})");
  CHECK_THROWS_KIND(json::set(root, "a.b.2", 1), config, "a.b.2: got index \"2\"; allowed: 0 to 1");
  CHECK_THROWS_KIND(json::set(root, "a.b.x", 1), config, "a.b.x: got index \"x\"");
  CHECK_THROWS_KIND(json::set(root, "a.b.0.y", 1), config,
                    "a.b.0: got \"x\"; allowed: an object or an array, to have \"y\" in it");
  Value number = 1;
  CHECK_THROWS_KIND(json::set(number, "a", 1), config, "the whole: got 1; allowed: an object");
  Value nothing;
  json::set(nothing, "x.y", 1);
  CHECK_EQ(json::write(nothing), R"({"x":{"y":1}})");
}

TEST(json, hosts_may_write_nan_and_infinities) {
  const auto read = [](const char* text) { return json::parse(text, "x", json::Constants::read); };
  CHECK_EQ(json::describe(read("NaN")), "NaN");
  CHECK_EQ(json::describe((*read("[1,Infinity]").if_array())[1]), "Infinity");
  CHECK_EQ(json::describe(read("-Infinity")), "-Infinity");
  CHECK_EQ(json::describe(read("-1")), "-1");
  for (const char* text : {"Nan", "Inf", "-Infinite", "+Infinity"}) {
    CHECK_THROWS_WITH(read(text), kvsim::Error, "x: line 1");
  }
}

TEST(json, integers_of_any_length_are_doubles_that_remember_their_digits) {
  const auto value = json::parse("-100000000000000000000");
  CHECK_EQ(*value.if_double(), -1e20);
  CHECK_EQ(json::describe(value), "-100000000000000000000");
  CHECK_EQ(json::write(value), "-1e+20");
}

TEST(json, values_describe_themselves) {
  CHECK_EQ(json::describe(Value()), "null");
  CHECK_EQ(json::describe(Value(8.5)), "8.5");
  CHECK_EQ(json::describe(Value(std::nan(""))), "NaN");
  CHECK_EQ(json::describe(json::parse("18446744073709551616")), "18446744073709551616");
  CHECK_EQ(json::describe(json::parse("1e+30")), "1e+30");
  CHECK_EQ(json::describe(Value("abc")), "\"abc\"");
  CHECK_EQ(json::describe(Value(json::Array{})), "an array");
  CHECK_EQ(json::describe(Value(json::Object{})), "an object");
}

TEST(json, objects_compare_in_any_order) {
  CHECK(json::parse(R"({"a":1,"b":[2]})") == json::parse(R"({"b":[2],"a":1})"));
  CHECK(!(json::parse(R"({"a":1})") == json::parse(R"({"a":1,"b":2})")));
  CHECK(!(json::parse(R"({"a":1})") == json::parse(R"({"b":1})")));
}
