#include "weights.h"

#include <algorithm>
#include <vector>

#include "inner.h"
#include "pool.h"

namespace kvd {
namespace {

// Rows that are added up before the next panel's turn, so that a panel stays in a core's cache.
constexpr int64_t kDepth = 256;
// Most panels of columns that one thread takes at a time: it reads x once for all of them.
constexpr int64_t kTogether = 8;
// Rows of a norm that one thread adds up at a time.
constexpr int64_t kRows = 256;

}  // namespace

Summand::Summand(int64_t rows, int64_t columns, Columns become)
    : become_(become), rows_(rows), columns_(columns), width_(become == Columns::kRows ? inner().tall : inner().panel),
      panels_(Parts(columns, width_)), packed_(NewFloats(rows * panels_ * width_)) {}

float* Summand::Panel(int64_t i, int64_t row) const { return packed_.get() + (i * rows_ + row) * width_; }

void Summand::Take(int64_t first, int64_t count, const float* x) {
  const auto pack = become_ == Columns::kRows ? inner().pack_tall : inner().pack_panel;
  for (int64_t i = 0; i < panels_; i++)
    pack(x + i * width_, columns_, 1, static_cast<int>(count),
         static_cast<int>(std::min(width_, columns_ - i * width_)), Panel(i, first));
}

void MatrixGradient(const Summand& x, const Summand& dy, float* gradient) {
  const int64_t tall = x.width_, panel = dy.width_, in = x.columns_, out = dy.columns_;
  // As many units for each thread.
  const int64_t round = 2 * ThreadCount(), units = Parts(Parts(dy.panels_, kTogether), round) * round;
  std::fill_n(gradient, in * out, 0.0f);
  ParallelFor(units, [&](int64_t unit) {
    const int64_t from = unit * dy.panels_ / units, to = (unit + 1) * dy.panels_ / units;
    const Floats sums = NewFloats(tall * panel);
    for (int64_t first = 0; first < x.rows_; first += kDepth) {
      const int count = static_cast<int>(std::min(kDepth, x.rows_ - first));
      for (int64_t i = 0; i < x.panels_; i++) {
        const int height = static_cast<int>(std::min(tall, in - i * tall));
        for (int64_t j = from; j < to; j++) {
          const int64_t width = std::min(panel, out - j * panel);
          float* at = gradient + i * tall * out + j * panel;
          const bool whole = width == panel;
          if (!whole) std::fill_n(sums.get(), tall * panel, 0.0f);
          inner().add_tall(height, count, x.Panel(i, first), dy.Panel(j, first), whole ? at : sums.get(),
                           whole ? out : panel);
          for (int64_t r = 0; !whole && r < height; r++)
            for (int64_t c = 0; c < width; c++) at[r * out + c] += sums[r * panel + c];
        }
      }
    }
  });
}

void BiasGradient(const Summand& dy, float* gradient) {
  const int64_t width = dy.width_;
  ParallelFor(dy.panels_, [&](int64_t i) {
    std::vector<float> sums(width, 0.0f);
    const float* row = dy.Panel(i, 0);
    for (int64_t r = 0; r < dy.rows_; r++, row += width)
      for (int64_t c = 0; c < width; c++) sums[c] += row[c];
    std::copy_n(sums.data(), std::min(width, dy.columns_ - i * width), gradient + i * width);
  });
}

void GainGradient(int64_t rows, int64_t width, const float* x, const float* inverse, const float* dy,
                  float* gradient) {
  std::vector<float> sums(Parts(rows, kRows) * width, 0.0f);
  ParallelFor(Parts(rows, kRows), [&](int64_t piece) {
    const int64_t first = piece * kRows;
    inner().norm_gain_gradient(x + first * width, inverse + first, dy + first * width, std::min(kRows, rows - first),
                               static_cast<int>(width), sums.data() + piece * width);
  });
  std::fill_n(gradient, width, 0.0f);
  for (size_t i = 0; i < sums.size(); i++) gradient[i % width] += sums[i];
}

}  // namespace kvd
