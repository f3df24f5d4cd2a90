// Gradients of weights: sums over rows, taken in an order that does not depend on the threads.
#ifndef KVD_WEIGHTS_H_
#define KVD_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "factor.h"

namespace kvd {

// A matrix [rows, columns] of activations or slopes as a sum over its rows reads it. It is filled some rows at a time,
// while they are in the cache.
class Summand {
 public:
  // What its columns become in the gradient of a matrix.
  enum class Columns { kRows, kColumns };

  Summand(int64_t rows, int64_t columns, Columns become);
  // One whose panels stand in the caller's memory.
  Summand(int64_t rows, int64_t columns, Columns become, float* panels);

  // Takes in `count` rows from row `first` on; of x they are the first.
  void Take(int64_t first, int64_t count, const float* x);
  // Where row `first` is to be put, for who packs rows himself: panels begin `Apart` floats behind each other.
  float* At(int64_t first) { return Panel(0, first); }
  int64_t Apart() const { return rows_ * width_; }

 private:
  friend class GradientPiece;
  friend void BiasGradient(const Summand& dy, float* gradient);

  float* Panel(int64_t i, int64_t row) const;

  Columns become_;
  int64_t rows_, columns_, width_, panels_;
  Floats own_;
  // [panels, rows, width]
  float* packed_;
};

// The gradient of a matrix through which x went, x transposed · dy, whose rows are `row` apart.
struct MatrixGradient {
  const Summand &x, &dy;
  float* gradient;
  int64_t row;
};

void Sum(const std::vector<MatrixGradient>& gradients);

// That of a bias: the sum of dy.
void BiasGradient(const Summand& dy, float* gradient);

// That of the gain [width] of a norm of x [rows, width] which left the factors `inverse` [rows]: sums over the rows of
// each tile, and of those sums, so that it does not matter which rows come together.
class GainGradient {
 public:
  GainGradient(int64_t rows, int64_t width);

  // Takes in `count` rows from row `first` on, which begins a tile; of x, inverse and dy they are the first.
  void Take(int64_t first, int64_t count, const float* x, const float* inverse, const float* dy);
  void Sum(float* gradient) const;

 private:
  int64_t width_, tiles_;
  // [tiles, width]
  Floats sums_;
};

}  // namespace kvd

#endif  // KVD_WEIGHTS_H_
