// Prompt and output lengths, and priorities.

#include <algorithm>
#include <cmath>
#include <string>
#include <variant>

#include "kvsim/core/distributions.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/workload/source.hpp"

namespace kvsim {

namespace {

// Integers uniform on [low, high].
struct UniformLaw {
  std::int64_t low;
  std::int64_t high;
  std::int32_t operator()(const Stream& stream, std::uint64_t entity, std::uint64_t draw) const {
    return static_cast<std::int32_t>(uniform_integer(stream, entity, draw, low, high));
  }
};

// Log-normal with the given mean and coefficient of variation, rounded up, at most `most`.
struct LogNormalLaw {
  double mean;
  LogNormal law;
  double most;
  LogNormalLaw(double mean_tokens, double cv, std::int64_t most_tokens)
      : mean(mean_tokens),
        law(LogNormal::from_mean_cv(mean_tokens, cv)),
        most(static_cast<double>(most_tokens)) {}
  std::int32_t operator()(const Stream& stream, std::uint64_t entity, std::uint64_t draw) const {
    const double x = law.sigma() > 0 ? law(stream, entity, draw) : mean;
    return static_cast<std::int32_t>(std::max(1.0, std::min(std::ceil(x), most)));
  }
};

template <class PromptLaw, class OutputLaw>
void draw_lengths(const WorkloadSource& source, RequestTable& table, const PromptLaw& prompt,
                  const OutputLaw& output) {
  const Stream prompts(source.seed, Purpose::lengths_prompt);
  const Stream outputs(source.seed, Purpose::lengths_output);
  source.for_each_request([&](std::int64_t r, std::uint64_t entity, std::uint64_t draw) {
    table.prompt_tokens[static_cast<std::size_t>(r)] = prompt(prompts, entity, draw);
    table.output_tokens[static_cast<std::size_t>(r)] = output(outputs, entity, draw);
  });
}

struct Fill {
  const WorkloadSource& source;
  RequestTable& table;

  void operator()(const FixedLengths& p) const {
    std::fill(table.prompt_tokens.begin(), table.prompt_tokens.end(),
              static_cast<std::int32_t>(p.prompt_tokens));
    std::fill(table.output_tokens.begin(), table.output_tokens.end(),
              static_cast<std::int32_t>(p.output_tokens));
  }
  void operator()(const UniformLengths& p) const {
    draw_lengths(source, table, UniformLaw{p.prompt_min_tokens, p.prompt_max_tokens},
                 UniformLaw{p.output_min_tokens, p.output_max_tokens});
  }
  void operator()(const LogNormalLengths& p) const {
    draw_lengths(source, table,
                 LogNormalLaw(p.prompt_mean_tokens, p.prompt_cv, p.prompt_max_tokens),
                 LogNormalLaw(p.output_mean_tokens, p.output_cv, p.output_max_tokens));
  }
  void operator()(const RandomRangeLengths& p) const {
    const auto law = [&](std::int64_t nominal) {
      const auto length = static_cast<double>(nominal);
      const double low = std::floor(length * (1 - p.random_range_ratio));
      const double high = std::ceil(length * (1 + p.random_range_ratio));
      return UniformLaw{std::max<std::int64_t>(1, static_cast<std::int64_t>(low)),
                        static_cast<std::int64_t>(high)};
    };
    draw_lengths(source, table, law(p.random_input_len), law(p.random_output_len));
  }
  void operator()(const DatasetLengths&) const {
    copy_column(source.dataset->prompt_tokens, table.prompt_tokens, "prompt_tokens");
    copy_column(source.dataset->output_tokens, table.output_tokens, "output_tokens");
  }

 private:
  void copy_column(const std::vector<std::int32_t>& from, std::vector<std::int32_t>& to,
                   const char* column) const {
    take_rows(source, from, to);
    const auto least = std::min_element(to.begin(), to.end());
    if (*least >= 1) return;
    const std::size_t row = source.row_of(least - to.begin());
    bad_field("workload.lengths.name",
              std::string(column) + " = " + std::to_string(*least) + " in " + source.row_text(row),
              "1 or more");
  }
};

}  // namespace

void take_rows(const WorkloadSource& source, const std::vector<std::int32_t>& from,
               std::vector<std::int32_t>& to) {
  source.control.poll();
  to.resize(static_cast<std::size_t>(source.requests));
  if (!source.drawn_rows.empty()) {
    for (std::size_t r = 0; r < to.size(); ++r) to[r] = from[source.drawn_rows[r]];
    return;
  }
  for (std::size_t done = 0; done < to.size();) {
    const std::size_t count = std::min(from.size(), to.size() - done);
    std::copy_n(from.begin(), count, to.begin() + static_cast<std::ptrdiff_t>(done));
    done += count;
  }
}

void fill_lengths(const WorkloadSource& source, RequestTable& table) {
  table.prompt_tokens.resize(static_cast<std::size_t>(source.requests));
  table.output_tokens.resize(static_cast<std::size_t>(source.requests));
  std::visit(Fill{source, table}, source.workload.lengths);
}

void check_total_lengths(const RequestTable& table) {
  for (std::size_t r = 0; r < table.prompt_tokens.size(); ++r) {
    const std::int64_t total = std::int64_t{table.prompt_tokens[r]} + table.output_tokens[r];
    if (total <= longest_request_tokens) continue;
    bad_field("workload.lengths",
              "prompt plus output of " + std::to_string(total) + " tokens (request " +
                  std::to_string(r) + ")",
              "at most " + std::to_string(longest_request_tokens));
  }
}

void fill_stops(const WorkloadSource& source, RequestTable& table) {
  if (source.dataset == nullptr || source.dataset->stop_after.empty()) return;
  take_rows(source, source.dataset->stop_after, table.stop_after);
}

void fill_priorities(const WorkloadSource& source, RequestTable& table) {
  if (source.dataset != nullptr && !source.dataset->priority.empty()) {
    take_rows(source, source.dataset->priority, table.priority);
    return;
  }
  const std::int64_t levels = source.workload.priority_levels;
  if (levels == 1) return;
  const UniformLaw law{0, levels - 1};
  const Stream stream(source.seed, Purpose::priority);
  table.priority.resize(static_cast<std::size_t>(source.requests));
  source.for_each_request([&](std::int64_t r, std::uint64_t entity, std::uint64_t draw) {
    table.priority[static_cast<std::size_t>(r)] = law(stream, entity, draw);
  });
}

}  // namespace kvsim
