#include "kvsim/step_time/models.hpp"

namespace kvsim {

namespace {
StepTimeModel make(const Roofline& p, const StepTimeContext& c) { return RooflineTime(p, c); }
StepTimeModel make(const Kernels& p, const StepTimeContext& c) { return KernelTime(p, c); }
StepTimeModel make(const Affine& p, const StepTimeContext& c) { return AffineTime(p, c); }
StepTimeModel make(const Polynomial& p, const StepTimeContext& c) { return PolynomialTime(p, c); }
}  // namespace

StepTimeModel make_step_time(const StepTimeSpec& spec, const StepTimeContext& context) {
  return std::visit([&](const auto& p) { return make(p, context); }, spec);
}

std::vector<std::string> step_time_warnings(const StepTimeModel& model) {
  const auto* kernels = std::get_if<KernelTime>(&model);
  return kernels == nullptr ? std::vector<std::string>{} : kernels->warnings();
}

Trust step_time_trust(const StepTimeModel& model) {
  if (const auto* kernels = std::get_if<KernelTime>(&model)) return kernels->trust();
  if (const auto* roofline = std::get_if<RooflineTime>(&model)) return roofline->trust();
  return {};
}

}  // namespace kvsim
