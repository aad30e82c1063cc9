#include "kvsim/step_time/tables.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "kvsim/core/error.hpp"
#include "kvsim/core/math.hpp"
#include "kvsim/scenario/json.hpp"

namespace kvsim {

namespace {

constexpr std::string_view format = "kvsim-step-time-1";
constexpr std::string_view source = "step_time_tables";
constexpr double log_2 = 0.693147180559945309;

std::string under(std::string_view path, std::string_view name) {
  return std::string(path) + "." + std::string(name);
}

const json::Value& member(const json::Object& object, std::string_view path,
                          std::string_view name) {
  const json::Value* value = object.find(name);
  if (value == nullptr) bad_field(under(path, name), "nothing", "a value, which tables have");
  return *value;
}

const json::Object& object_of(const json::Value& value, std::string_view path) {
  const json::Object* object = value.if_object();
  if (object == nullptr) bad_field(path, json::describe(value), "an object");
  return *object;
}

const std::string& string_of(const json::Value& value, std::string_view path) {
  const std::string* text = value.if_string();
  if (text == nullptr) bad_field(path, json::describe(value), "a string");
  return *text;
}

std::vector<double> numbers(const json::Value& value, std::string_view path) {
  const json::Array* array = value.if_array();
  if (array == nullptr) bad_field(path, json::describe(value), "an array of integers");
  std::vector<double> out;
  for (const json::Value& item : *array) {
    const std::int64_t* number = item.if_int();
    if (number == nullptr || *number < 1 || *number > (std::int64_t{1} << 50)) {
      bad_field(path, json::describe(item), "integers from 1 to 2^50");
    }
    out.push_back(static_cast<double>(*number));
  }
  return out;
}

std::vector<double> sizes(const json::Value& value, std::string_view path) {
  std::vector<double> out = numbers(value, path);
  if (out.size() < 2) bad_field(path, std::to_string(out.size()) + " sizes", "at least two");
  if (std::adjacent_find(out.begin(), out.end(), [](double a, double b) { return a >= b; }) !=
      out.end()) {
    bad_field(path, "sizes that do not grow", "each larger than the one before");
  }
  return out;
}

std::vector<double> logs(const std::vector<double>& values) {
  std::vector<double> out;
  for (const double v : values) out.push_back(math::log(v));
  return out;
}

// RFC 4648 with padding.
std::vector<std::uint8_t> base64(const std::string& text, std::string_view path) {
  static constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) bad_field(path, quoted(text), "base64");
    word = (word << 6 | static_cast<std::uint32_t>(digit)) & 0xFFFFFF;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::uint8_t>(word >> bits & 0xFF));
    }
  }
  return out;
}

GemmTable gemm_table(const json::Object& object, std::string_view path, double steps) {
  GemmTable t;
  t.m = sizes(member(object, path, "m"), under(path, "m"));
  t.n = sizes(member(object, path, "n"), under(path, "n"));
  t.k = sizes(member(object, path, "k"), under(path, "k"));
  if (t.m.front() != 1) bad_field(under(path, "m"), "no size 1", "sizes from 1 on");
  const std::string words = under(path, "log2_ns");
  const auto bytes = base64(string_of(member(object, path, "log2_ns"), words), words);
  const std::size_t values = t.m.size() * t.n.size() * t.k.size();
  if (bytes.size() != 2 * values) {
    bad_field(words, std::to_string(bytes.size()) + " bytes",
              std::to_string(2 * values) + ": 16 bits for every m, n, k");
  }
  t.log_n = logs(t.n);
  t.log_k = logs(t.k);
  t.log_ns.reserve(values);
  for (std::size_t i = 0; i < values; ++i) {
    t.log_ns.push_back((bytes[2 * i] + 256.0 * bytes[2 * i + 1]) / steps * log_2);
  }
  return t;
}

// Index of the interval of the sorted grid that holds x, or is nearest to it.
std::size_t interval(const std::vector<double>& grid, double x) {
  const auto above = std::upper_bound(grid.begin() + 1, grid.end() - 1, x);
  return static_cast<std::size_t>(above - grid.begin()) - 1;
}

}  // namespace

std::vector<double> GemmTable::times(double n_size, double k_size) const {
  const double x = math::log(n_size);
  const double y = math::log(k_size);
  const std::size_t i = interval(log_n, x);
  const std::size_t j = interval(log_k, y);
  const double u = (x - log_n[i]) / (log_n[i + 1] - log_n[i]);
  const double v = (y - log_k[j]) / (log_k[j + 1] - log_k[j]);
  std::vector<double> out;
  for (std::size_t a = 0; a < m.size(); ++a) {
    const double* row = log_ns.data() + (a * n.size() + i) * k.size() + j;
    const double* next = row + k.size();
    out.push_back(math::exp((1 - u) * ((1 - v) * row[0] + v * row[1]) +
                            u * ((1 - v) * next[0] + v * next[1])));
  }
  return out;
}

const AllReduceTable* GpuTables::all_reduce_of(std::int64_t gpus) const {
  for (const AllReduceTable& t : all_reduce) {
    if (t.gpus == gpus) return &t;
  }
  return nullptr;
}

GpuTables parse_gpu_tables(std::string_view json_text) {
  const json::Value root = json::parse(json_text, source);
  const json::Object& top = object_of(root, source);
  const std::string& found = string_of(member(top, source, "format"), under(source, "format"));
  if (found != format) bad_field(under(source, "format"), quoted(found), quoted(format));
  GpuTables tables;
  tables.gpu = string_of(member(top, source, "gpu"), under(source, "gpu"));

  const std::string steps_path = under(source, "log2_steps_per_octave");
  const json::Value& steps = member(top, source, "log2_steps_per_octave");
  if (steps.if_int() == nullptr || *steps.if_int() < 1) {
    bad_field(steps_path, json::describe(steps), "an integer above 0");
  }
  const auto per_octave = static_cast<double>(*steps.if_int());
  const std::string gemm_path = under(source, "gemm");
  const json::Object& gemm = object_of(member(top, source, "gemm"), gemm_path);
  for (const auto& [name, table] :
       {std::pair{"bf16", &tables.bf16}, std::pair{"fp8", &tables.fp8}}) {
    const std::string path = under(gemm_path, name);
    *table = gemm_table(object_of(member(gemm, gemm_path, name), path), path, per_octave);
  }

  const std::string reduce_path = under(source, "all_reduce");
  const json::Object& reduce = object_of(member(top, source, "all_reduce"), reduce_path);
  const std::vector<double> bytes =
      sizes(member(reduce, reduce_path, "bytes"), under(reduce_path, "bytes"));
  for (const std::int64_t gpus : {2, 4, 8}) {
    const std::string path = under(reduce_path, std::to_string(gpus));
    const std::vector<double> ns = numbers(member(reduce, reduce_path, std::to_string(gpus)), path);
    if (ns.size() != bytes.size()) {
      bad_field(path, std::to_string(ns.size()) + " times",
                std::to_string(bytes.size()) + ", one for each size");
    }
    tables.all_reduce.push_back({gpus, bytes, ns});
  }
  return tables;
}

}  // namespace kvsim
