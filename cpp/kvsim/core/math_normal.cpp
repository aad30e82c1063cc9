// Error function and normal distribution of core/math.hpp.

#include <cmath>
#include <limits>

#include "kvsim/core/math.hpp"

namespace kvsim::math {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// c[0] + c[1] x + c[2] x^2 + ...
template <int n>
double polynomial(const double (&c)[n], double x) {
  double sum = c[n - 1];
  for (int i = n - 2; i >= 0; --i) sum = sum * x + c[i];
  return sum;
}

// W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23, 1969.
constexpr double erf_small = 0.46875;

double erf_near_zero(double x) {
  constexpr double p[] = {3.20937758913846947e03, 3.77485237685302021e02, 1.13864154151050156e02,
                          3.16112374387056560e00, 1.85777706184603153e-1};
  constexpr double q[] = {2.84423683343917062e03, 1.28261652607737228e03, 2.44024637934444173e02,
                          2.36012909523441209e01, 1.0};
  const double x2 = x * x;
  return x * polynomial(p, x2) / polynomial(q, x2);
}

// exp(-x^2), the square's rounding taken into account.
double exp_of_minus_square(double x) {
  const double coarse = std::floor(x * 16) / 16;
  return exp(-coarse * coarse) * exp(-(x - coarse) * (x + coarse));
}

// erfc for x > erf_small.
double erfc_tail(double x) {
  constexpr double p[] = {1.23033935479799725e03, 2.05107837782607147e03, 1.71204761263407058e03,
                          8.81952221241769090e02, 2.98635138197400131e02, 6.61191906371416295e01,
                          8.88314979438837594e00, 5.64188496988670089e-1, 2.15311535474403846e-8};
  constexpr double q[] = {1.23033935480374942e03, 3.43936767414372164e03, 4.36261909014324716e03,
                          3.29079923573345963e03, 1.62138957456669019e03, 5.37181101862009858e02,
                          1.17693950891312499e02, 1.57449261107098347e01, 1.0};
  constexpr double far_p[] = {6.58749161529837803e-4, 1.60837851487422766e-2,
                              1.25781726111229246e-1, 3.60344899949804439e-1,
                              3.05326634961232344e-1, 1.63153871373020978e-2};
  constexpr double far_q[] = {2.33520497626869185e-3, 6.05183413124413191e-2,
                              5.27905102951428412e-1, 1.87295284992346725e00,
                              2.56852019228982242e00, 1.0};
  constexpr double one_over_sqrt_pi = 5.6418958354775628695e-1;
  if (x > 27.3) return 0;  // below the least subnormal
  double factor = 0;
  if (x <= 4) {
    factor = polynomial(p, x) / polynomial(q, x);
  } else {
    const double y = 1 / (x * x);
    factor = (one_over_sqrt_pi - y * polynomial(far_p, y) / polynomial(far_q, y)) / x;
  }
  return exp_of_minus_square(x) * factor;
}

}  // namespace

double erf(double x) {
  if (x != x) return x;
  if (std::abs(x) <= erf_small) return erf_near_zero(x);
  const double magnitude = 1 - erfc_tail(std::abs(x));
  return x < 0 ? -magnitude : magnitude;
}

double erfc(double x) {
  if (x != x) return x;
  if (std::abs(x) <= erf_small) return 1 - erf_near_zero(x);
  return x < 0 ? 2 - erfc_tail(-x) : erfc_tail(x);
}

double normal_cdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }

// M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied
// Statistics 37, 1988 (PPND16).
double normal_quantile(double p) {
  constexpr double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                          1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                          3.3430575583588128105e4, 2.5090809287301226727e3};
  constexpr double b[] = {1.0,
                          4.2313330701600911252e1,
                          6.8718700749205790830e2,
                          5.3941960214247511077e3,
                          2.1213794301586595867e4,
                          3.9307895800092710610e4,
                          2.8729085735721942674e4,
                          5.2264952788528545610e3};
  constexpr double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                          5.76949722146069140550e0,  3.64784832476320460504e0,
                          1.27045825245236838258e0,  2.41780725177450611770e-1,
                          2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr double d[] = {1.0,
                          2.05319162663775882187e0,
                          1.67638483018380384940e0,
                          6.89767334985100004550e-1,
                          1.48103976427480074590e-1,
                          1.51986665636164571966e-2,
                          5.47593808499534494600e-4,
                          1.05075007164441684324e-9};
  constexpr double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                          1.78482653991729133580e0,  2.96560571828504891230e-1,
                          2.65321895265761230930e-2, 1.24266094738807843860e-3,
                          2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr double f[] = {1.0,
                          5.99832206555887937690e-1,
                          1.36929880922735805310e-1,
                          1.48753612908506148525e-2,
                          7.86869131145613259100e-4,
                          1.84631831751005468180e-5,
                          1.42151175831644588870e-7,
                          2.04426310338993978564e-15};
  if (!(p > 0 && p < 1)) {
    return p == 0 ? -infinity : p == 1 ? infinity : std::numeric_limits<double>::quiet_NaN();
  }
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(a, r) / polynomial(b, r);
  }
  const double r = std::sqrt(-log(q < 0 ? p : 1 - p));
  const double x = r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                          : polynomial(e, r - 5) / polynomial(f, r - 5);
  return q < 0 ? -x : x;
}

}  // namespace kvsim::math
