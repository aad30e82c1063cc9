#include "kvsim/scenario/field.hpp"

#include <algorithm>
#include <numeric>

#include "kvsim/core/sort.hpp"

namespace kvsim {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// Insertions, deletions and substitutions that lead from a to b.
std::size_t levenshtein(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> nearest(std::string_view name,
                                 const std::vector<std::string>& candidates) {
  constexpr std::size_t most = 3;
  constexpr std::size_t longest_name = 200;  // the table is quadratic
  if (name.empty() || name.size() > longest_name) return {};
  const std::string wanted = lower(name);
  const std::size_t limit = std::max<std::size_t>(2, wanted.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& candidate : candidates) {
    if (candidate.empty() || candidate.size() > longest_name) continue;
    const std::string other = lower(candidate);
    const std::size_t distance = levenshtein(wanted, other);
    const std::size_t shorter = std::min(wanted.size(), other.size());
    const bool contained = shorter >= 3 && (other.find(wanted) != std::string::npos ||
                                            wanted.find(other) != std::string::npos);
    // Two short names of which nothing agrees are not near.
    const bool close = distance <= limit && distance < std::max(wanted.size(), other.size());
    if (close || contained) found.emplace_back(distance, candidate);
  }
  std::vector<std::size_t> order(found.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  sort_rows(order, [&](std::size_t i) { return found[i].first; });
  std::vector<std::string> names;
  for (const std::size_t i : order) {
    if (names.size() < most) names.push_back(std::move(found[i].second));
  }
  return names;
}

std::string nearest_text(std::string_view name, const std::vector<std::string>& candidates) {
  std::string text;
  for (const std::string& candidate : nearest(name, candidates)) {
    text += (text.empty() ? "; nearest: " : ", ") + candidate;
  }
  return text;
}

}  // namespace kvsim
