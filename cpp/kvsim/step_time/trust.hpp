// How far a prediction can be trusted: what its step times rest on, and how far measurements of
// that class were from the prediction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace kvsim {

// table: products and all-reduces measured on this GPU; fitted: formulas fitted to operators
// measured on this GPU; spec_sheet: such formulas scaled by the data sheet of a GPU that was not
// measured; given: the caller's own numbers.
enum class Calibration : std::uint8_t { given, table, fitted, spec_sheet };
inline constexpr std::pair<Calibration, std::string_view> calibrations[] = {
    {Calibration::given, "given"},
    {Calibration::table, "table"},
    {Calibration::fitted, "fitted"},
    {Calibration::spec_sheet, "spec_sheet"}};
[[nodiscard]] constexpr std::string_view calibration_name(Calibration c) {
  return calibrations[static_cast<std::size_t>(c)].second;
}

// The 5th and 95th percentile of measured / simulated - 1.
struct ErrorBand {
  double low = 0;
  double high = 0;
};

// Residuals of measured runs. `kvsim validate step-time` recomputes them, a test compares.
struct Residuals {
  std::string_view name;
  std::string_view of;  // what was measured
  std::int64_t number;
  ErrorBand ttft;
  ErrorBand tpot;
  ErrorBand e2e;
};
namespace residuals {
inline constexpr std::string_view runs_70b =
    "mean latencies of closed-loop runs of Llama-70B FP8 on 2, 4 and 8 H100";
inline constexpr Residuals table{
    "table", runs_70b, 45, {-0.065, 0.127}, {-0.028, 0.058}, {-0.028, 0.051}};
inline constexpr Residuals fitted{
    "fitted", runs_70b, 45, {-0.066, 0.151}, {-0.029, 0.064}, {-0.029, 0.063}};
inline constexpr Residuals roofline{
    "roofline", runs_70b, 45, {-0.147, 0.094}, {-0.046, 0.054}, {-0.046, 0.053}};
inline constexpr Residuals spec_sheet{"spec_sheet",
                                      "single requests to Llama-3.1-8B on one RTX PRO 6000",
                                      300,
                                      {-0.218, 0.131},
                                      {-0.031, 0.019},
                                      {-0.031, 0.019}};
inline constexpr Residuals experts{"experts",
                                   "single requests to Qwen3-30B-A3B on two RTX PRO 6000",
                                   300,
                                   {-0.383, 0.684},
                                   {-0.225, -0.052},
                                   {-0.222, -0.051}};
}  // namespace residuals

struct Trust {
  Calibration calibration = Calibration::given;
  // Null where nothing of the kind was measured.
  const Residuals* residuals = nullptr;
};

}  // namespace kvsim
