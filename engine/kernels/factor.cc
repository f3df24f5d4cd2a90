#include "factor.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "inner.h"
#include "pool.h"

namespace kvd {
namespace {

constexpr int64_t kLine = 64;
// At most so many rows go through a matrix at once: reading the matrix anew costs little beside them, and more would not
// stay in a core's cache (docs/lab-log.md).
constexpr int64_t kMostRows = 64;
// Unless no more are left, at least so many: fewer are not worth reading the matrix for.
constexpr int64_t kFewestRows = 40;

}  // namespace

Floats NewFloats(int64_t count) {
  void* memory = TakeBlock(kLine, std::max<int64_t>(1, count) * sizeof(float));
  if (memory == nullptr) std::abort();
  return Floats(static_cast<float*>(memory));
}

int64_t TiledFloats(int64_t rows, int64_t depth) { return Parts(rows, inner().tile) * inner().tile * depth; }

Floats Tiles(int64_t rows, int64_t depth, const float* x) {
  Floats tiles = NewFloats(TiledFloats(rows, depth));
  inner().pack_rows(static_cast<int>(rows), static_cast<int>(depth), x, depth, tiles.get());
  return tiles;
}

int64_t PanelFloats(int64_t depth, int64_t columns) { return Parts(columns, inner().panel) * inner().panel * depth; }

void PackPanels(const float* w, int64_t depth, int64_t columns, bool transposed, int64_t w_row, float* panels) {
  const int64_t panel = inner().panel;
  const int64_t row = transposed ? 1 : w_row, column = transposed ? w_row : 1;
  ParallelFor(Parts(columns, panel), [&](int64_t i) {
    const int64_t first = i * panel;
    inner().pack_panel(w + first * column, row, column, static_cast<int>(depth),
                       static_cast<int>(std::min(panel, columns - first)), panels + i * depth * panel);
  });
}

Factor::Factor(const float* w, int64_t depth, int64_t columns, bool transposed, int64_t w_row, const float* packed)
    : depth_(depth), columns_(columns), panels_(packed) {
  if (packed != nullptr) return;
  own_ = NewFloats(PanelFloats(depth, columns));
  PackPanels(w, depth, columns, transposed, w_row, own_.get());
  panels_ = own_.get();
}

void Factor::Multiply(int64_t rows, const float* tiles, const float* plus, float* c) const {
  inner().multiply(static_cast<int>(rows), static_cast<int>(columns_), static_cast<int>(depth_), tiles, panels_,
                   plus, c, columns_);
}

void ForRows(int64_t rows, int64_t floats, const std::function<void(int64_t, int64_t, float*)>& each) {
  // Pieces of whole tiles, smaller towards the end: threads are seldom equally fast, and the last piece should not keep
  // the others waiting for long.
  const int64_t tile = inner().tile, share = 2 * ThreadCount();
  const int64_t fewest = std::min(kFewestRows, Parts(rows, share));
  std::vector<int64_t> ends = {0};
  while (ends.back() < rows) {
    const int64_t left = rows - ends.back();
    const int64_t wanted = std::clamp(Parts(left, share), fewest, kMostRows);
    ends.push_back(std::min(rows, ends.back() + Parts(wanted, tile) * tile));
  }
  ParallelFor(static_cast<int64_t>(ends.size()) - 1, [&](int64_t i) {
    const int64_t first = ends[i], count = ends[i + 1] - first;
    const Floats scratch = NewFloats(count * floats);
    each(first, count, scratch.get());
  });
}

}  // namespace kvd
