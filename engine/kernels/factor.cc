#include "factor.h"

#include <algorithm>

#include "inner.h"
#include "pool.h"

namespace kvd {
namespace {

constexpr int64_t kLine = 64;
// At most so many rows go through a matrix at once: reading the matrix anew costs little beside them, and more would not
// stay in a core's cache (docs/lab-log.md).
constexpr int64_t kMostRows = 160;

int64_t UpTo(int64_t multiple, int64_t x) { return (x + multiple - 1) / multiple * multiple; }

}  // namespace

Floats NewFloats(int64_t count) {
  const int64_t bytes = std::max<int64_t>(1, count) * static_cast<int64_t>(sizeof(float));
  void* memory = std::aligned_alloc(kLine, UpTo(kLine, bytes));
  if (memory == nullptr) std::abort();
  return Floats(static_cast<float*>(memory));
}

Factor::Factor(const float* w, int64_t depth, int64_t columns, bool transposed) : depth_(depth), columns_(columns) {
  const int64_t panel = inner().panel, panels = (columns + panel - 1) / panel;
  panels_ = NewFloats(panels * depth * panel);
  const int64_t row = transposed ? 1 : columns, column = transposed ? depth : 1;
  ParallelFor(panels, [&](int64_t i) {
    const int64_t first = i * panel;
    inner().pack_panel(w + first * column, row, column, static_cast<int>(depth),
                       static_cast<int>(std::min(panel, columns - first)), panels_.get() + i * depth * panel);
  });
}

void Factor::Multiply(int64_t rows, const float* a, int64_t a_row, float* c, int64_t c_row, bool add) const {
  inner().multiply(static_cast<int>(rows), static_cast<int>(columns_), static_cast<int>(depth_), a, a_row,
                   panels_.get(), c, c_row, add);
}

void ForRows(int64_t rows, int64_t floats, const std::function<void(int64_t, int64_t, float*)>& each) {
  // As many pieces for each thread, of whole tiles.
  const int64_t round = 2 * ThreadCount(), pieces = UpTo(round, (rows + kMostRows - 1) / kMostRows);
  const int64_t piece = UpTo(inner().tall / 2, (rows + pieces - 1) / pieces);
  ParallelFor((rows + piece - 1) / piece, [&](int64_t i) {
    const int64_t first = i * piece, count = std::min(piece, rows - first);
    const Floats scratch = NewFloats(count * floats);
    each(first, count, scratch.get());
  });
}

}  // namespace kvd
