#include "kvsim/scenario/field.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/scenario/field_json.hpp"
#include "kvsim/scenario/field_schema.hpp"

namespace json = kvsim::json;
using kvsim::field;

namespace {

enum class Color { red, green };

struct Fixed {
  double value = 1.5;
  static constexpr std::string_view kind = "fixed";
  static constexpr std::string_view type_name = "Fixed";
  static constexpr std::string_view shorthand = "value";
  static constexpr std::string_view doc = "A constant.";
  static constexpr auto fields() {
    return std::tuple{field("value", &Fixed::value, {.unit = "ms", .min = 0, .doc = "The value."})};
  }
};

struct Named {
  std::string name = "none";
  std::int64_t scale = 1;
  static constexpr std::string_view kind = "named";
  static constexpr std::string_view type_name = "Named";
  static constexpr std::string_view shorthand = "name";
  static constexpr std::string_view doc = "By name.";
  static constexpr auto fields() {
    return std::tuple{field("name", &Named::name, {.doc = "Name.", .choices_from = "things"}),
                      field("scale", &Named::scale)};
  }
  void validate(std::string_view path) const {
    if (name == "bad") kvsim::bad_field(kvsim::detail::join_path(path, "name"), "\"bad\"", "good");
  }
};

struct Empty {
  static constexpr std::string_view kind = "empty";
  static constexpr std::string_view type_name = "Empty";
  static constexpr std::string_view doc = "Nothing.";
  static constexpr auto fields() { return std::tuple{}; }
};

struct Spec {
  std::string name = "custom";
  double size = 3;
  static constexpr std::string_view type_name = "Spec";
  static constexpr std::string_view doc = "A thing of the catalogue.";
  static constexpr auto fields() {
    return std::tuple{field("name", &Spec::name), field("size", &Spec::size, {.min = 1, .max = 9})};
  }
};

using Choice = std::variant<Fixed, Named, Empty>;

struct Everything {
  bool flag = true;
  std::int32_t small = -1;
  std::int64_t number_of_requests = 4;
  std::uint64_t seed = 0;
  double rate_per_s = 0.5;
  std::string text = "t";
  Color color = Color::red;
  std::optional<double> limit_ms;
  Fixed nested;
  std::vector<std::int64_t> list = {1, 2};
  std::vector<Named> items;
  Choice choice = Empty{};
  std::optional<Choice> other;
  std::optional<std::variant<std::string, Spec>> model;

  static constexpr std::string_view type_name = "Everything";
  static constexpr std::string_view doc = "All types of fields.";
  static constexpr auto fields() {
    using E = Everything;
    return std::tuple{
        field("flag", &E::flag),
        field("small", &E::small, {.doc = "32 bits."}),
        field("number_of_requests", &E::number_of_requests, {.min = 1, .max = 1e9}),
        field("seed", &E::seed),
        field("rate_per_s", &E::rate_per_s, {.unit = "1/s", .min = 0, .exclusive_min = true}),
        field("text", &E::text),
        field("color", &E::color),
        field("limit_ms", &E::limit_ms, {.unit = "ms", .min = 0}),
        field("nested", &E::nested),
        field("list", &E::list, {.min = 0, .max = 10}),
        field("items", &E::items),
        field("choice", &E::choice),
        field("other", &E::other),
        field("model", &E::model, {.choices_from = "models"})};
  }
};

}  // namespace

template <>
struct kvsim::EnumNames<Color> {
  static constexpr std::string_view name = "Color";
  static constexpr std::pair<Color, std::string_view> values[] = {{Color::red, "red"},
                                                                  {Color::green, "green"}};
};

namespace {

Everything read(std::string_view text) {
  return kvsim::from_json<Everything>(json::parse(text), "s");
}

void bad(std::string_view text, const std::string& message) {
  CHECK_THROWS_KIND(read(text), config, message);
}

std::string rewritten(std::string_view text) { return json::write(kvsim::to_json(read(text))); }

constexpr std::string_view defaults =
    R"({"choice":{"kind":"empty"},"color":"red","flag":true,"items":[],"limit_ms":null,"list":[1,2],)"
    R"("model":null,"nested":{"kind":"fixed","value":1.5},"number_of_requests":4,"other":null,)"
    R"("rate_per_s":0.5,"seed":0,"small":-1,"text":"t"})";

}  // namespace

TEST(field, defaults_are_written_out_and_come_back) {
  CHECK_EQ(rewritten("{}"), defaults);
  CHECK_EQ(rewritten(defaults), defaults);
}

TEST(field, every_type_is_read) {
  const Everything e = read(R"({"flag": false, "small": -2147483648, "number_of_requests": 7,
    "seed": 18446744073709551615, "rate_per_s": 2, "text": "x", "color": "green", "limit_ms": 0,
    "nested": {"value": 2.5}, "list": [], "items": [{"name": "a"}, {"scale": 3, "kind": "named"}],
    "choice": {"kind": "named", "scale": -5}, "other": {"kind": "fixed"},
    "model": {"name": "m", "size": 9}})");
  CHECK(!e.flag);
  CHECK_EQ(e.small, std::numeric_limits<std::int32_t>::min());
  CHECK_EQ(e.number_of_requests, 7);
  CHECK_EQ(e.seed, std::numeric_limits<std::uint64_t>::max());
  CHECK_EQ(e.rate_per_s, 2.0);
  CHECK_EQ(e.text, "x");
  CHECK_EQ(e.color, Color::green);
  CHECK_EQ(*e.limit_ms, 0.0);
  CHECK_EQ(e.nested.value, 2.5);
  CHECK(e.list.empty());
  CHECK_EQ(e.items.at(0).name, "a");
  CHECK_EQ(e.items.at(1).scale, 3);
  CHECK_EQ(std::get<Named>(e.choice).scale, -5);
  CHECK_EQ(std::get<Fixed>(*e.other).value, 1.5);
  CHECK_EQ(std::get<Spec>(*e.model).size, 9.0);
  CHECK_EQ(std::get<std::string>(*read(R"({"model": "llama"})").model), "llama");
  const std::string once = json::write(kvsim::to_json(e));
  CHECK_EQ(rewritten(once), once);
}

TEST(field, shorthands) {
  CHECK_EQ(std::get<Named>(read(R"({"choice": "abc"})").choice).name, "abc");
  CHECK_EQ(std::get<Fixed>(read(R"({"choice": 4})").choice).value, 4.0);
  CHECK_EQ(std::get<Fixed>(*read(R"({"other": 4.5})").other).value, 4.5);
  bad(R"({"choice": -1})", "s.choice: got -1; allowed: a number >= 0 (ms)");
  bad(R"({"choice": "bad"})", "s.choice.name: got \"bad\"; allowed: good");
  bad(R"({"choice": true})",
      R"(s.choice: got true; allowed: an object with a kind of "fixed", "named", "empty")");
  bad(R"({"choice": null})", "s.choice: got null");
  bad(R"({"choice": [1]})", "s.choice: got an array");
}

TEST(field, unknown_fields_are_named_with_their_neighbours) {
  bad(R"({"rate": 1})",
      "s.rate: unknown field; nearest: rate_per_s; allowed in Everything: flag, ");
  bad(R"({"nested": {"valeu": 1}})",
      "s.nested.valeu: unknown field; nearest: value; allowed in Fixed: kind, value");
  bad(R"({"items": [{}, {"Scale": 1}]})",
      "s.items.1.Scale: unknown field; nearest: scale; allowed in Named: kind, name, scale");
  bad(R"({"choice": {"kind": "empty", "x": 1}})",
      "s.choice.x: unknown field; allowed in Empty: kind");
  bad(R"({"model": {"siez": 1}})", "s.model.siez: unknown field; nearest: size");
  CHECK_THROWS_KIND(kvsim::from_json<Everything>(json::parse(R"({"sed": 1})")), config,
                    "sed: unknown field; nearest: seed");
}

TEST(field, unknown_names_and_kinds) {
  bad(R"({"color": "gren"})", R"(s.color: got "gren"; allowed: "red", "green"; nearest: green)");
  bad(R"({"color": 1})", R"(s.color: got 1; allowed: "red", "green")");
  bad(R"({"choice": {"kind": "fixde"}})",
      R"(s.choice.kind: got "fixde"; allowed: "fixed", "named", "empty"; nearest: fixed)");
  bad(R"({"choice": {"value": 1}})", "s.choice.kind: got nothing; allowed: \"fixed\"");
  bad(R"({"choice": {"kind": 3}})", "s.choice.kind: got 3");
  bad(R"({"nested": {"kind": "named"}})", "s.nested.kind: got \"named\"; allowed: \"fixed\"");
}

TEST(field, wrong_types) {
  bad(R"({"flag": 1})", "s.flag: got 1; allowed: true or false");
  bad(R"({"text": 1})", "s.text: got 1; allowed: a string");
  bad(R"({"rate_per_s": "1"})", R"(s.rate_per_s: got "1"; allowed: a number > 0 (1/s))");
  bad(R"({"rate_per_s": null})", "s.rate_per_s: got null");
  bad(R"({"list": 1})", "s.list: got 1; allowed: an array");
  bad(R"({"list": [1, "x"]})", "s.list.1: got \"x\"");
  bad(R"({"nested": 1})", "s.nested: got 1; allowed: an object with the fields of Fixed");
  bad(R"({"model": 1})", "s.model: got 1; allowed: a name or an object with the fields of Spec");
  bad("[]", "s: got an array; allowed: an object with the fields of Everything");
  CHECK_THROWS_KIND(kvsim::from_json<Everything>(json::Value(1)), config, "Everything: got 1");
}

TEST(field, numbers_out_of_range) {
  bad(R"({"rate_per_s": 0})", "s.rate_per_s: got 0; allowed: a number > 0 (1/s)");
  bad(R"({"rate_per_s": -1})", "s.rate_per_s: got -1");
  bad(R"({"limit_ms": -0.5})", "s.limit_ms: got -0.5; allowed: a number >= 0 (ms)");
  bad(R"({"number_of_requests": 0})", "got 0; allowed: an integer >= 1 and <= 1000000000");
  bad(R"({"number_of_requests": 1000000001})", "got 1000000001");
  bad(R"({"list": [11]})", "s.list.0: got 11; allowed: an integer >= 0 and <= 10");
  bad(R"({"model": {"size": 9.5}})", "s.model.size: got 9.5; allowed: a number >= 1 and <= 9");
  bad(R"({"seed": -1})", "s.seed: got -1; allowed: an integer >= 0 and < 2^64");
  bad(R"({"small": 2147483648})",
      "s.small: got 2147483648; allowed: an integer >= -2147483648 and <= 2147483647");
  for (const double value : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    json::Object object;
    object.set("rate_per_s", value);
    CHECK_THROWS_KIND(kvsim::from_json<Everything>(object), config,
                      value != value ? "rate_per_s: got NaN" : "rate_per_s: got Infinity");
    object = {};
    object.set("seed", value);
    CHECK_THROWS_KIND(kvsim::from_json<Everything>(object), config, "seed: got ");
  }
}

TEST(field, whole_numbers_may_be_written_as_doubles) {
  CHECK_EQ(read(R"({"number_of_requests": 8.0})").number_of_requests, 8);
  CHECK_EQ(read(R"({"number_of_requests": 1e3})").number_of_requests, 1000);
  CHECK_EQ(read(R"({"seed": 1e19})").seed, 10'000'000'000'000'000'000U);
  CHECK_EQ(read(R"({"seed": 9223372036854775808})").seed, std::uint64_t{1} << 63);
  bad(R"({"number_of_requests": 8.5})", "got 8.5; allowed: an integer");
  bad(R"({"number_of_requests": 1e300})", "got 1e+300");
  bad(R"({"seed": 1e20})", "s.seed: got 1e+20");
  bad(R"({"seed": -1e300})", "s.seed: got -1e+300");
  bad(R"({"number_of_requests": 9223372036854775808})", "got 9223372036854775808");
}

TEST(field, structs_check_themselves_with_their_path) {
  bad(R"({"items": [{"name": "bad"}]})", "s.items.0.name: got \"bad\"; allowed: good");
  bad(R"({"choice": {"kind": "named", "name": "bad"}})", "s.choice.name: got \"bad\"");
}

TEST(field, nearest_names) {
  const std::vector<std::string> names = {"llama-3-8b", "llama-3-70b", "qwen3-8b", "mixtral", "x"};
  CHECK_EQ(kvsim::nearest("llama3-8b", names),
           (std::vector<std::string>{"llama-3-8b", "llama-3-70b"}));
  CHECK_EQ(kvsim::nearest("LLAMA-3-70B", names).at(0), "llama-3-70b");
  CHECK_EQ(kvsim::nearest("qwen", names), (std::vector<std::string>{"qwen3-8b"}));
  CHECK_EQ(kvsim::nearest("mixtral-8x7b", names), (std::vector<std::string>{"mixtral"}));
  CHECK(kvsim::nearest("h100", names).empty());
  CHECK(kvsim::nearest("", names).empty());
  CHECK(kvsim::nearest("y", names).empty());
  CHECK(kvsim::nearest(std::string(100'000, 'x'), names).empty());
  CHECK_EQ(kvsim::nearest_text("mixtrl", names), "; nearest: mixtral");
  CHECK_EQ(kvsim::nearest_text("h100", names), "");
}

TEST(field, schema_describes_all) {
  const json::Value schema = kvsim::schema_json<Everything>();
  CHECK_EQ(*json::get(schema, "root").if_string(), "Everything");
  std::string names;
  for (const json::Value& entry : *json::get(schema, "structs").if_array()) {
    names += *json::get(entry, "name").if_string() + " ";
  }
  CHECK_EQ(names, "Fixed Named Empty Spec Everything ");
  CHECK_EQ(json::write(json::get(schema, "enums")),
           R"([{"name":"Color","values":["red","green"]}])");
  CHECK_EQ(json::write(json::get(schema, "structs.0")),
           R"({"doc":"A constant.","fields":[{"choices_from":"","default":1.5,"doc":"The value.",)"
           R"("exclusive_min":false,"max":null,"min":0.0,"name":"value","type":{"type":"double"},)"
           R"("unit":"ms"}],"kind":"fixed","name":"Fixed","presets":{},"shorthand":"value"})");
  const auto type = [&](int i) {
    return json::write(json::get(schema, "structs.4.fields." + std::to_string(i) + ".type"));
  };
  CHECK_EQ(type(0), R"({"type":"bool"})");
  CHECK_EQ(type(1), R"({"type":"int32"})");
  CHECK_EQ(type(2), R"({"type":"int64"})");
  CHECK_EQ(type(3), R"({"type":"uint64"})");
  CHECK_EQ(type(5), R"({"type":"string"})");
  CHECK_EQ(type(6), R"({"enum":"Color","type":"enum"})");
  CHECK_EQ(type(7), R"({"of":{"type":"double"},"type":"optional"})");
  CHECK_EQ(type(8), R"({"struct":"Fixed","type":"struct"})");
  CHECK_EQ(type(9), R"({"of":{"type":"int64"},"type":"list"})");
  CHECK_EQ(type(10), R"({"of":{"struct":"Named","type":"struct"},"type":"list"})");
  CHECK_EQ(type(11), R"({"kinds":["fixed","named","empty"],"structs":["Fixed","Named","Empty"],)"
                     R"("type":"variant"})");
  CHECK_EQ(type(13), R"({"of":{"struct":"Spec","type":"name_or_struct"},"type":"optional"})");
  CHECK_EQ(*json::get(schema, "structs.4.fields.13.choices_from").if_string(), "models");
  CHECK_EQ(json::write(json::get(schema, "structs.4.fields.11.default")), R"({"kind":"empty"})");
}
