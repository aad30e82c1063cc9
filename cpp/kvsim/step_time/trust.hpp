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
extern const Residuals table;
extern const Residuals fitted;
extern const Residuals roofline;
extern const Residuals spec_sheet;
extern const Residuals experts;
}  // namespace residuals

struct Trust {
  Calibration calibration = Calibration::given;
  // Null where nothing of the kind was measured.
  const Residuals* residuals = nullptr;
};

}  // namespace kvsim
