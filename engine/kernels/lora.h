// Low-rank adapters of projections that share their input, for some rows at a time.
#ifndef KVD_LORA_H_
#define KVD_LORA_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "factor.h"
#include "op.h"

namespace kvd {

// `n` adapters of x [rows, in]: what they add is, side by side, (x a_i · route_i · scale) b_i. A route is a column
// [rows, 1], or [1, 1].
struct Adapters {
  // `first` is the place of the first route among the inputs; then come the a's [in, rank] and the b's [rank, width].
  Adapters(Run& run, int n, int first, int64_t rows, int64_t in, float scale);

  // Columns of the low-rank images, side by side and padded.
  int64_t Low() const;
  // The a's side by side, [in, low].
  std::vector<float> Down() const;
  // Rows of low-rank images, from row `first` of all on, as they are routed and scaled.
  void Route(const float* low, int64_t first, int64_t count, float* routed) const;
  // Computes low-rank images of `count` rows of x, which come as tiles, from row `first` of all on, and adds what they
  // become to y.
  void Add(const std::vector<float>& down, int64_t first, int64_t count, const float* x_tiles, float* low,
           float* y) const;

  int n;
  int64_t rows, in, out, rank;
  float scale;
  std::vector<const float*> a, b, routes;
  std::vector<int64_t> route_steps, widths, offsets;
};

// Gradients of adapters, whose sums over rows are taken in groups of rows that do not depend on the threads.
class AdapterGradients {
 public:
  // The gradients of the routes go to the outputs from number `output` on, then those of the a's and b's.
  AdapterGradients(Run& run, const Adapters& adapters, int input, int output);

  // Calls rows(first, count, own) for all rows, a few whole tiles at a time, on all threads; `own` is to be handed to
  // `Add`.
  void ForRows(const std::function<void(int64_t, int64_t, float*)>& rows);
  // Takes `count` rows in: x, their low-rank images, and the slopes of what was added to, also as tiles. Adds to dx
  // unless that is null.
  void Add(int64_t first, int64_t count, const float* x, const float* low, const float* dy, const float* dy_tiles,
           float* dx, float* own) const;
  // Writes the gradients of the a's and b's, when all rows are in.
  void Finish();

 private:
  int64_t ASize() const { return adapters_.in * low_; }

  Run& run_;
  const Adapters& adapters_;
  int input_, output_;
  int64_t low_, rank_width_, group_, groups_, size_;
  std::vector<float> up_;
  Floats sums_;  // [groups, size]
  std::vector<std::vector<float>> b_transposed_;
  std::vector<float*> droutes_;
};

}  // namespace kvd

#endif  // KVD_LORA_H_
