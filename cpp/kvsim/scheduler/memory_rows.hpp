// The rows of the memory's picture (server/memory_map.hpp): up to 512 slots of the KV memory, each
// with its class and its owner now. They are kept up by what happens to their blocks, so that a
// moment of the picture is a copy.
//
// A pool that only counts has no identities, and needs none for this: freed blocks lie on a stack
// (kv/block_pool.hpp; without a prefix cache none has a key), so it is enough to know how high each
// of the rows' blocks lies on it, which changes only when it is taken itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/kv/region_pool.hpp"
#include "kvsim/result.hpp"

namespace kvsim {

class MemoryRows {
 public:
  using RequestId = std::uint32_t;
  static constexpr std::int64_t most = 512;

  // Of `units` blocks, or slots of contiguous memory, of `unit_slots` slots each.
  void start(std::int64_t units, std::int64_t unit_slots, std::size_t requests) {
    const std::int64_t rows = std::min(most, units);
    row_of_.assign(static_cast<std::size_t>(units) + 1, none);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t unit = (2 * row + 1) * units / (2 * rows);
      slot_.push_back(unit * unit_slots);
      row_of_[static_cast<std::size_t>(unit) + 1] = static_cast<std::uint16_t>(row);
      stack_.push_back({units - 1 - unit, static_cast<std::uint16_t>(row)});
    }
    std::ranges::reverse(stack_);  // block 1 lies on top
    newest_.assign(slot_.size(), 0);
    classes_.assign(slot_.size(), static_cast<std::uint8_t>(SlotClass::free));
    owners_.assign(slot_.size(), -1);
    first_of_.assign(requests, 0);
    nodes_.resize(1);
    if (unit_slots == 1) pieces_.resize(requests);
    set_reach();
  }
  [[nodiscard]] bool on() const { return !slot_.empty(); }
  [[nodiscard]] const std::vector<std::int64_t>& slots() const { return slot_; }
  [[nodiscard]] const std::vector<std::uint8_t>& classes() const { return classes_; }
  [[nodiscard]] const std::vector<std::int32_t>& owners() const { return owners_; }

  // Who holds a block, as which entry of the table. If that was reserved for all that may come,
  // its first `needed` blocks will be filled.
  struct Holding {
    RequestId request = 0;
    std::int32_t entry = 0;
    std::int32_t needed = -1;  // -1: not reserved
  };

  // Holding `h` and the n - 1 entries behind it are these blocks.
  void took(Holding h, const std::uint32_t* blocks, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i, ++h.entry) {
      const std::uint16_t row = row_of_[blocks[i]];
      if (row != none) hold(row, h);
    }
  }
  // Of blocks that are only counted: with fewer free ones than this a row's block was taken.
  [[nodiscard]] std::int64_t reach() const { return reach_; }
  // `free` are left of `free_before`; holding(i) is that of the i-th block taken.
  template <class F>
  void took_counted(std::int64_t free_before, std::int64_t free, F&& holding) {
    while (!stack_.empty() && stack_.back().height >= free) {
      hold(stack_.back().row, holding(free_before - 1 - stack_.back().height));
      stack_.pop_back();
    }
    set_reach();
  }

  // The request's table is freed; its first `cached` blocks may still be found. `free` blocks were
  // free before.
  void gave(RequestId r, std::int64_t free, std::int64_t cached, bool counted) {
    const std::size_t before = stack_.size();
    for (std::uint32_t i = first_of_[r]; i != 0;) {
      const Node node = nodes_[i];
      let_go(i, node.h.entry < cached);
      if (counted) stack_.push_back({free + node.h.entry, node.row});
      nodes_[i].next = spare_;
      spare_ = i;
      i = node.next;
    }
    first_of_[r] = 0;
    // From the last entry to the first.
    std::reverse(stack_.begin() + static_cast<std::ptrdiff_t>(before), stack_.end());
    if (counted) set_reach();
  }

  void placed(const RegionPool::Region& region) {
    const auto first = std::lower_bound(slot_.begin(), slot_.end(), region.at);
    Piece& piece = pieces_[region.request];
    piece.next = piece.first = static_cast<std::uint32_t>(first - slot_.begin());
    std::uint32_t row = piece.first;
    for (; row < slot_.size() && slot_[row] - region.at < region.rounded; ++row) {
      const std::int64_t offset = slot_[row] - region.at;
      set(row,
          offset < region.needed     ? SlotClass::reserved
          : offset < region.reserved ? SlotClass::internal
                                     : SlotClass::rounding,
          static_cast<std::int32_t>(region.request));
    }
    piece.end = row;
  }
  void left(RequestId r) {
    for (std::uint32_t row = pieces_[r].first; row < pieces_[r].end; ++row) {
      set(row, SlotClass::free, -1);
    }
  }

  // Marks what has been filled; computed(request) are its tokens.
  template <class Computed>
  void fill(std::int64_t block_size, Computed&& computed) {
    std::erase_if(open_, [&](std::uint16_t row) {
      if (static_cast<SlotClass>(classes_[row]) != SlotClass::reserved) return true;
      const Holding& h = nodes_[newest_[row]].h;
      if (h.entry * block_size >= computed(h.request)) return false;
      set(row, SlotClass::tokens, owners_[row]);
      return true;
    });
  }
  template <class Computed>
  void fill(const std::vector<RegionPool::Region>& regions, Computed&& computed) {
    for (const RegionPool::Region& region : regions) {
      Piece& piece = pieces_[region.request];
      const std::int64_t filled = region.at + computed(region.request);
      for (; piece.next < piece.end && slot_[piece.next] < filled; ++piece.next) {
        set(piece.next, SlotClass::tokens, owners_[piece.next]);
      }
    }
  }

 private:
  static constexpr std::uint16_t none = 0xFFFF;
  struct Node {
    Holding h;
    std::uint32_t next = 0;   // of the same request, entries falling; or of the spare ones
    std::uint32_t older = 0;  // of the same row
    std::uint16_t row = 0;
  };
  struct Free {
    std::int64_t height;  // on the stack of free blocks
    std::uint16_t row;
  };
  struct Piece {
    std::uint32_t first = 0;
    std::uint32_t end = 0;
    std::uint32_t next = 0;  // the first that is not filled
  };

  void set(std::size_t row, SlotClass what, std::int32_t owner) {
    classes_[row] = static_cast<std::uint8_t>(what);
    owners_[row] = owner;
  }
  void set_reach() { reach_ = stack_.empty() ? 0 : stack_.back().height + 1; }

  void hold(std::uint16_t row, const Holding& h) {
    if (spare_ == 0) {
      spare_ = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
    }
    const std::uint32_t i = spare_;
    spare_ = nodes_[i].next;
    // Of several that share a block, the one admitted last owns it: it came last.
    nodes_[i] = {h, first_of_[h.request], newest_[row], row};
    newest_[row] = first_of_[h.request] = i;
    show(row, h);
  }
  // A block is filled in the step that takes it, unless it was reserved.
  void show(std::uint16_t row, const Holding& h) {
    const SlotClass what = h.needed < 0         ? SlotClass::tokens
                           : h.entry < h.needed ? SlotClass::reserved
                                                : SlotClass::internal;
    set(row, what, static_cast<std::int32_t>(h.request));
    if (what == SlotClass::reserved) open_.push_back(row);
  }
  void let_go(std::uint32_t node, bool cached) {
    const std::uint16_t row = nodes_[node].row;
    if (newest_[row] != node) {
      std::uint32_t i = newest_[row];
      while (nodes_[i].older != node) i = nodes_[i].older;
      nodes_[i].older = nodes_[node].older;
      return;
    }
    newest_[row] = nodes_[node].older;
    if (newest_[row] == 0) return set(row, cached ? SlotClass::cached : SlotClass::free, -1);
    show(row, nodes_[newest_[row]].h);
  }

  std::vector<std::int64_t> slot_;     // that a row shows
  std::vector<std::uint16_t> row_of_;  // of a block
  std::vector<std::uint8_t> classes_;
  std::vector<std::int32_t> owners_;   // request, -1: nobody
  std::vector<std::uint32_t> newest_;  // node of the newest holder of each row, 0: none
  std::vector<std::uint16_t> open_;  // rows that were reserved, some perhaps filled or free by now
  std::vector<Node> nodes_;
  std::uint32_t spare_ = 0;
  std::vector<std::uint32_t> first_of_;  // node of each request, 0: none
  std::vector<Free> stack_;              // counted: rows whose blocks are free
  std::int64_t reach_ = 0;
  std::vector<Piece> pieces_;  // of each request
};

}  // namespace kvsim
