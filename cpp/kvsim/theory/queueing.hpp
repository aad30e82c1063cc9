// Closed forms of queueing theory, to check the simulation by and to show beside it. Rates are in
// 1/s, times in s. A queue at or above its capacity has no steady state: its times are infinite.
#pragma once

#include <cstdint>

namespace kvsim::theory {

// rho = lambda S / c.
[[nodiscard]] double utilization(double rate_per_s, double service_s, std::int64_t servers = 1);

// M/M/1: Poisson arrivals, exponential service (Kleinrock, Queueing Systems I, 1975, 3.2). The
// sojourn is exponential of mean S / (1 - rho); the wait is 0 with probability 1 - rho.
[[nodiscard]] double mm1_mean_wait_s(double rate_per_s, double service_s);
[[nodiscard]] double mm1_mean_sojourn_s(double rate_per_s, double service_s);
[[nodiscard]] double mm1_sojourn_quantile_s(double rate_per_s, double service_s, double q);

// M/M/c: Erlang's C formula, the probability that an arrival waits (Kleinrock, 3.5), by the stable
// recursion of Erlang's B; given that it waits, the wait is exponential of rate (c - a) / S.
[[nodiscard]] double erlang_c(double rate_per_s, double service_s, std::int64_t servers);
[[nodiscard]] double mmc_mean_wait_s(double rate_per_s, double service_s, std::int64_t servers);
[[nodiscard]] double mmc_wait_quantile_s(double rate_per_s, double service_s, std::int64_t servers,
                                         double q);
// Of wait plus service, by bisection of the closed form of its tail.
[[nodiscard]] double mmc_sojourn_quantile_s(double rate_per_s, double service_s,
                                            std::int64_t servers, double q);

// M/G/1: Pollaczek and Khinchine, rho / (1 - rho) * (1 + cs^2) / 2 * S; M/D/1 has cs = 0.
[[nodiscard]] double mg1_mean_wait_s(double rate_per_s, double service_s, double service_cv);
[[nodiscard]] double md1_mean_wait_s(double rate_per_s, double service_s);

// G/G/1: Kingman's heavy-traffic approximation, rho / (1 - rho) * (ca^2 + cs^2) / 2 * S (Kingman,
// The single server queue in heavy traffic, 1961). Exact for M/G/1, else an approximation.
[[nodiscard]] double kingman_mean_wait_s(double rate_per_s, double service_s, double arrival_cv,
                                         double service_cv);

// A server that waits for exactly B Poisson arrivals and serves them in S = s0 + s1 B: mean sojourn
// lambda S^2 / (2 B (1 - rho)) + B / (2 lambda) + S with rho = lambda S / B. An approximation: the
// first term takes the batches for Poisson arrivals.
[[nodiscard]] double batch_queue_mean_sojourn_s(double rate_per_s, double s0_s, double s1_s,
                                                std::int64_t batch);
// Its largest stable rate, B / (s0 + s1 B).
[[nodiscard]] double batch_queue_capacity_per_s(double s0_s, double s1_s, std::int64_t batch);

// The largest of n independent exponentials: mean H_n times the mean of one, and quantiles.
[[nodiscard]] double max_exponential_mean_s(std::int64_t n, double mean_s);
[[nodiscard]] double max_exponential_quantile_s(std::int64_t n, double mean_s, double q);

// Fan-out (Dean and Barroso, The tail at scale, CACM 56, 2013): the probability that any of n
// parts is slow, 1 - (1 - p)^n, and the quantile of one part at which n of them have theirs,
// q^(1/n).
[[nodiscard]] double any_slow_probability(double p, std::int64_t n);
[[nodiscard]] double leaf_quantile(double q, std::int64_t n);

// Mean sojourn with many M/M/1 servers where an arrival joins the shortest of d chosen at random:
// the limit of infinitely many servers, S sum_i rho^((d^i - d) / (d - 1)) (Mitzenmacher, The power
// of two choices in randomized load balancing, IEEE TPDS 12, 2001). d = 1 is M/M/1.
[[nodiscard]] double power_of_d_mean_sojourn_s(double rate_per_server_per_s, double service_s,
                                               std::int64_t d);

// The load at which the P99 of an M/M/1 queue is `factor` times that of an empty one: 1 - 1/factor.
[[nodiscard]] double mm1_knee_utilization(double factor);

}  // namespace kvsim::theory
