#include "result_json.hpp"

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvsim/core/int128.hpp"
#include "kvsim/metrics/load_curve.hpp"
#include "kvsim/metrics/mean_parts.hpp"
#include "kvsim/metrics/summary.hpp"
#include "kvsim/result_fields.hpp"
#include "kvsim/version.hpp"

namespace kvsim {
namespace {

json::Value number(double value) { return value; }
json::Value number(std::int64_t value) { return value; }
json::Value number(std::uint64_t value) { return value; }
json::Value number(std::int32_t value) { return value; }
json::Value number(std::uint8_t value) { return std::int32_t{value}; }
json::Value number(char value) { return std::string(1, value); }
json::Value number(Int128 value) {  // never negative
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  return digits;
}

// Not inlined: result.hpp has some hundred members and columns.
[[gnu::noinline]] void put(json::Object& object, std::string_view name, json::Value value) {
  object.set(name, std::move(value));
}
[[gnu::noinline]] void put_integer(json::Object& object, std::string_view name,
                                   std::int64_t value) {
  put(object, name, value);
}

struct MemberWriter {
  json::Object object;
  template <class T>
  void operator()(std::string_view name, const T& value) {
    if constexpr (std::same_as<T, std::int64_t>) {
      put_integer(object, name, value);
    } else {
      put(object, name, number(value));
    }
  }
};

template <class T>
[[gnu::noinline]] void put_column(json::Object& object, std::string_view name,
                                  const std::vector<T>& column) {
  if (column.empty()) return;
  json::Array values;
  values.reserve(column.size());
  for (const T value : column) values.push_back(number(value));
  object.set(name, std::move(values));
}

struct ColumnWriter {
  json::Object object;
  template <class T>
  void operator()(std::string_view name, const std::vector<T>& column) {
    put_column(object, name, column);
  }
};

template <class T>
constexpr std::string_view type_name() {
  if constexpr (std::same_as<T, double>) return "float64";
  if constexpr (std::same_as<T, std::int64_t>) return "int64";
  if constexpr (std::same_as<T, std::uint64_t>) return "uint64";
  if constexpr (std::same_as<T, std::int32_t>) return "int32";
  static_assert(sizeof(T) >= 4 || sizeof(T) == 1);
  return "uint8";
}

[[gnu::noinline]] void put_place(json::Object& object, std::string_view name, std::string_view type,
                                 const void* data, std::size_t rows) {
  if (rows == 0) return;
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  object.set(
      name, json::Array{type, static_cast<std::int64_t>(address), static_cast<std::int64_t>(rows)});
}

struct ColumnLocator {
  json::Object object;
  template <class T>
  void operator()(std::string_view name, const std::vector<T>& column) {
    put_place(object, name, type_name<T>(), column.data(), column.size());
  }
};

template <class Columns>
json::Value located(const Columns& table) {
  ColumnLocator locator;
  for_each_column(table, locator);
  return std::move(locator.object);
}

template <class Columns>
json::Value columns(const Columns& table) {
  ColumnWriter writer;
  for_each_column(table, writer);
  return std::move(writer.object);
}

std::string_view status_name(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::infeasible:
      return "infeasible";
    case Status::unstable:
      return "unstable";
    case Status::livelock:
      return "livelock";
    case Status::invalid:
      return "invalid";
  }
  return "unknown";
}

json::Value band(const ErrorBand& b) { return json::Array{b.low, b.high}; }

json::Value trust_json(const Trust& trust) {
  json::Object object;
  object.set("calibration", calibration_name(trust.calibration));
  if (trust.residuals == nullptr) {
    object.set("residuals", json::Value());
    return object;
  }
  json::Object residuals;
  residuals.set("name", trust.residuals->name);
  residuals.set("of", trust.residuals->of);
  residuals.set("number", trust.residuals->number);
  residuals.set("ttft", band(trust.residuals->ttft));
  residuals.set("tpot", band(trust.residuals->tpot));
  residuals.set("e2e", band(trust.residuals->e2e));
  object.set("residuals", std::move(residuals));
  return object;
}

json::Value parts_json(const RequestColumns& requests, LatencyKind latency, double low,
                       double high) {
  const MeanParts mean = mean_parts(requests, latency, low, high);
  if (mean.parts_ms.empty()) return {};
  json::Object parts;
  for (const auto& [name, ms] : mean.parts_ms) parts.set(name, ms);
  json::Object object;
  object.set("requests", mean.requests);
  object.set("parts_ms", std::move(parts));
  return object;
}

// A percentile stands for the requests within half a percent of it.
json::Value waterfalls_json(const RequestColumns& requests) {
  json::Object latencies;
  for (const LatencyKind latency : {LatencyKind::ttft, LatencyKind::e2e}) {
    json::Object bands;
    bands.set("mean", parts_json(requests, latency, 0, 100));
    bands.set("p50", parts_json(requests, latency, 49.5, 50.5));
    bands.set("p99", parts_json(requests, latency, 98.5, 99.5));
    latencies.set(latency == LatencyKind::ttft ? "ttft" : "e2e", std::move(bands));
  }
  return latencies;
}

json::Object head_json(const Result& result) {
  json::Object object;
  object.set("version", version());
  object.set("status", status_name(result.status));
  object.set("reason", result.reason);
  json::Array warnings;
  for (const std::string& warning : result.warnings) warnings.emplace_back(warning);
  object.set("warnings", std::move(warnings));
  object.set("trust", trust_json(result.trust));

  json::Object summary;
  for (std::size_t i = 0; i < result.summary.size(); ++i) {
    summary.set(summary_fields()[i].name, result.summary[i]);
  }
  object.set("summary", std::move(summary));
  MemberWriter totals;
  for_each_total(result.totals, totals);
  for_each_total(result.fleet, totals);
  object.set("totals", std::move(totals.object));
  MemberWriter budget;
  for_each_member(result.kv_budget, budget);
  object.set("kv_budget", std::move(budget.object));
  return object;
}

}  // namespace

json::Value result_json(const Result& result) {
  json::Object object = head_json(result);
  object.set("requests", columns(result.requests));
  object.set("steps", columns(result.steps));
  object.set("entries", columns(result.entries));
  object.set("heatmap", columns(result.heatmap));
  object.set("fleet_events", columns(result.fleet_events));
  return object;
}

json::Value view_json(const Result& result) {
  json::Object object = head_json(result);
  object.set("waterfalls", waterfalls_json(result.requests));
  const auto throughput = backlog_throughput(
      result.requests.finish_ns, result.requests.scheduled_ns, result.totals.max_running);
  object.set("backlog_throughput", throughput ? json::Value(*throughput) : json::Value());
  json::Object tables;
  tables.set("requests", located(result.requests));
  tables.set("steps", located(result.steps));
  tables.set("entries", located(result.entries));
  tables.set("heatmap", located(result.heatmap));
  tables.set("fleet_events", located(result.fleet_events));
  object.set("columns", std::move(tables));
  return object;
}

}  // namespace kvsim
