// The names of runs in a store: hashes of all that a run depends on.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "kvsim/scenario/json.hpp"
#include "kvsim/simulate.hpp"
#include "runner/points.hpp"
#include "runner/sha256.hpp"

namespace kvsim::runner {

// A key is the SHA-256 of a scenario's fields, of the trace that it names and of a text that tells
// versions apart. Of each field, by name, it takes the canonical JSON, or of an object the SHA-256
// of that: points that have an object in common do not write and hash it again.
class ContentKeys {
 public:
  // `base` is a whole scenario with every field; `points` must outlive this. `datasets` are the
  // contents (their hashes) of traces by the names that callers chose; other names stand for
  // themselves.
  ContentKeys(const json::Value& base, const Points& points,
              std::map<std::string, std::string> datasets, std::string version);

  // Of point i, which is `scenario`. Several threads may call it.
  [[nodiscard]] Digest of(std::size_t i, const Scenario& scenario);
  // Of a point that is none, from its fields as they are.
  [[nodiscard]] Digest of_invalid(const json::Value& scenario) const;

 private:
  struct Field {
    std::string name;
    std::string common;        // its part of the hashed text, if no point sets any of it
    bool differs = false;      // some point does
    std::size_t variants = 0;  // in how many ways, if few; 0 otherwise
    std::unordered_map<std::size_t, std::string> known;  // parts by variant; mutex_ guards it
  };
  [[nodiscard]] std::string part_of(Field& field, std::size_t i, const Scenario& scenario);
  [[nodiscard]] Digest finished(std::string text, const std::string* dataset) const;

  const Points& points_;
  std::map<std::string, std::string> datasets_;
  std::string version_;
  std::vector<Field> fields_;  // by name
  std::mutex mutex_;
};

}  // namespace kvsim::runner
