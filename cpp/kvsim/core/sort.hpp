// Sorting of what is short, or sorted once a run.
#pragma once

#include <algorithm>
#include <functional>

namespace kvsim {

// Not stable. In WebAssembly by a heap: an instance of std::sort is five kilobytes there.
template <class Range, class Less = std::less<>>
void compact_sort(Range&& range, Less less = {}) {
#if defined(__wasm__)
  std::make_heap(range.begin(), range.end(), less);
  std::sort_heap(range.begin(), range.end(), less);
#else
  std::sort(range.begin(), range.end(), less);
#endif
}

// Numbers of rows by key(row), rows with equal keys by number.
template <class Rows, class Key>
void sort_rows(Rows& rows, Key key) {
  compact_sort(rows, [&key](auto a, auto b) {
    const auto x = key(a);
    const auto y = key(b);
    return x < y || (x == y && a < b);
  });
}

}  // namespace kvsim
