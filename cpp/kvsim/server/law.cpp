#include "kvsim/server/law.hpp"

#include <algorithm>
#include <type_traits>
#include <variant>

namespace kvsim {

LawSampler::LawSampler(const Law& law, std::uint64_t seed, Purpose purpose)
    : stream_(seed, purpose) {
  std::visit(
      [this](const auto& l) {
        using L = std::remove_cvref_t<decltype(l)>;
        if constexpr (std::is_same_v<L, ExponentialLaw>) {
          kind_ = Kind::exponential;
        } else if constexpr (std::is_same_v<L, LogNormalLaw>) {
          kind_ = Kind::lognormal;
          lognormal_ = LogNormal::from_mean_cv(1, l.cv);
        } else if constexpr (std::is_same_v<L, GammaLaw>) {
          kind_ = Kind::gamma;
          shape_ = 1 / (l.cv * l.cv);
        } else if constexpr (std::is_same_v<L, ParetoLaw>) {
          kind_ = Kind::pareto;
          shape_ = l.shape;
        } else if constexpr (std::is_same_v<L, EmpiricalLaw>) {
          kind_ = Kind::empirical;
          values_ = l.values;
          double sum = 0;
          for (std::size_t i = 0; i < values_.size(); ++i) {
            sum += l.weights.empty() ? 1.0 : l.weights[i];
            cumulative_.push_back(sum);
          }
        }
      },
      law);
}

double LawSampler::factor(std::uint64_t entity, std::uint64_t draw) {
  switch (kind_) {
    case Kind::constant:
      return 1;
    case Kind::exponential:
      return exponential(word(entity, draw));
    case Kind::lognormal:
      return lognormal_(word(entity, draw));
    case Kind::gamma:  // tries consecutive draws
      return gamma(stream_, entity, draw * 128, shape_, 1 / shape_);
    case Kind::pareto:
      return (shape_ - 1) / shape_ * pareto(word(entity, draw), shape_);
    case Kind::empirical:
      break;
  }
  const double at = unit(word(entity, draw)) * cumulative_.back();
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
  const auto last = cumulative_.end() - 1;
  return values_[static_cast<std::size_t>((found < last ? found : last) - cumulative_.begin())];
}

}  // namespace kvsim
