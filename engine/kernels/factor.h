// Rows of activations through large matrices, some rows at a time.
#ifndef KVD_FACTOR_H_
#define KVD_FACTOR_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "../allocator.h"

namespace kvd {

struct Freed {
  void operator()(float* memory) const { ReturnBlock(memory); }
};

// Floats that begin with a cache line; not cleared.
using Floats = std::unique_ptr<float[], Freed>;
Floats NewFloats(int64_t count);

// Floats of rows [rows, depth] as tiles.
int64_t TiledFloats(int64_t rows, int64_t depth);
// Rows [rows, depth] as tiles.
Floats Tiles(int64_t rows, int64_t depth, const float* x);

// Floats of a matrix [depth, columns] as panels.
int64_t PanelFloats(int64_t depth, int64_t columns);
// A matrix as panels, by all threads: `w` [depth, columns], or where it is to be transposed [columns, depth]; its rows
// are `w_row` apart.
void PackPanels(const float* w, int64_t depth, int64_t columns, bool transposed, int64_t w_row, float* panels);

// A matrix to multiply by.
class Factor {
 public:
  // Packs `w` as PackPanels does, unless `packed` is what that made of it before, which then stays the caller's.
  Factor(const float* w, int64_t depth, int64_t columns, bool transposed, int64_t w_row,
         const float* packed = nullptr);

  // C [rows, columns] = plus + A [rows, depth] · this, where A comes as tiles; `plus` may be null for nothing.
  void Multiply(int64_t rows, const float* tiles, const float* plus, float* c) const;

  const float* Panels() const { return panels_; }

 private:
  int64_t depth_, columns_;
  Floats own_;
  const float* panels_;
};

// Calls each(first row, count, scratch) for some rows at a time, on all threads; of scratch there are `floats` for each
// row. How many rows come at once depends on the threads: no sum may run over rows.
void ForRows(int64_t rows, int64_t floats, const std::function<void(int64_t, int64_t, float*)>& each);

}  // namespace kvd

#endif  // KVD_FACTOR_H_
