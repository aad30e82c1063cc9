// The requests of a run that its figures count. Columns that a summary does not read are left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/result.hpp"

namespace kvsim {

// Numbers of rows in order of arrival, of equal times in order of id.
std::vector<std::size_t> rows_by_arrival(const RequestColumns& requests);

// Those of a fleet's run that were completed.
RequestColumns completed_rows(const RequestColumns& requests);

// All without the first `cut` by arrival, in order of arrival.
RequestColumns without_first(const RequestColumns& requests, std::int64_t cut);

}  // namespace kvsim
