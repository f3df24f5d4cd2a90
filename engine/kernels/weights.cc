#include "weights.h"

#include <algorithm>
#include <vector>

#include "inner.h"
#include "pool.h"

namespace kvd {
namespace {

// Rows that are added up before the next panel's turn, so that a panel stays in a core's cache.
constexpr int64_t kDepth = 256;
// Pieces of gradients for each thread, since threads are seldom equally fast; but each has so many panels at least,
// since it reads all of the other side.
constexpr int64_t kPieces = 8, kFewest = 2;

}  // namespace

Summand::Summand(int64_t rows, int64_t columns, Columns become) : Summand(rows, columns, become, nullptr) {
  own_ = NewFloats(rows * panels_ * width_);
  packed_ = own_.get();
}

Summand::Summand(int64_t rows, int64_t columns, Columns become, float* panels)
    : become_(become), rows_(rows), columns_(columns), width_(become == Columns::kRows ? inner().tall : inner().panel),
      panels_(Parts(columns, width_)), packed_(panels) {}

float* Summand::Panel(int64_t i, int64_t row) const { return packed_ + (i * rows_ + row) * width_; }

void Summand::Take(int64_t first, int64_t count, const float* x) {
  const auto pack = become_ == Columns::kRows ? inner().pack_tall : inner().pack_panel;
  for (int64_t i = 0; i < panels_; i++)
    pack(x + i * width_, columns_, 1, static_cast<int>(count),
         static_cast<int>(std::min(width_, columns_ - i * width_)), Panel(i, first));
}

// Some columns of a matrix's gradient or, where it is taller than wide, some of its rows.
class GradientPiece {
 public:
  // Pieces of about as much work as they ask for, in multiply-adds.
  static void Cut(const MatrixGradient& whole, int64_t work, std::vector<GradientPiece>* pieces) {
    const Summand &x = whole.x, &dy = whole.dy;
    const bool wide = dy.columns_ >= x.columns_;
    const int64_t panels = wide ? dy.panels_ : x.panels_;
    const int64_t count = std::clamp<int64_t>(Work(whole) / work, 1, Parts(panels, kFewest));
    for (int64_t i = 0; i < count; i++) {
      const int64_t from = i * panels / count, to = (i + 1) * panels / count;
      pieces->push_back(wide ? GradientPiece(whole, 0, x.panels_, from, to)
                             : GradientPiece(whole, from, to, 0, dy.panels_));
    }
  }

  static int64_t Work(const MatrixGradient& whole) { return whole.x.rows_ * whole.x.columns_ * whole.dy.columns_; }

  void Sum() const {
    Clear();
    const Floats sums = NewFloats(tall_ * panel_);
    const int64_t rows = whole_.x.rows_, row = whole_.row;
    for (int64_t first = 0; first < rows; first += kDepth) {
      const int count = static_cast<int>(std::min(kDepth, rows - first));
      int64_t visits = 0;
      for (int64_t i = x_from_; i < x_to_; i++) {
        const int height = static_cast<int>(Height(i));
        for (int64_t j = dy_from_; j < dy_to_; j++) {
          const int64_t width = Width(j);
          float* at = whole_.gradient + i * tall_ * row + j * panel_;
          const bool whole = width == panel_;
          if (!whole) std::fill_n(sums.get(), tall_ * panel_, 0.0f);
          inner().add_tall(height, count, whole_.x.Panel(i, first), whole_.dy.Panel(j, first), whole ? at : sums.get(),
                           whole ? row : panel_, Ahead(visits++, first));
          for (int64_t r = 0; !whole && r < height; r++)
            for (int64_t c = 0; c < width; c++) at[r * row + c] += sums[r * panel_ + c];
        }
      }
    }
  }

 private:
  GradientPiece(const MatrixGradient& whole, int64_t x_from, int64_t x_to, int64_t dy_from, int64_t dy_to)
      : whole_(whole), x_from_(x_from), x_to_(x_to), dy_from_(dy_from), dy_to_(dy_to) {}

  int64_t Height(int64_t i) const { return std::min(tall_, whole_.x.columns_ - i * tall_); }
  int64_t Width(int64_t j) const { return std::min(panel_, whole_.dy.columns_ - j * panel_); }

  void Clear() const {
    const int64_t from = dy_from_ * panel_, to = std::min(dy_to_ * panel_, whole_.dy.columns_);
    for (int64_t r = x_from_ * tall_; r < std::min(x_to_ * tall_, whole_.x.columns_); r++)
      std::fill_n(whole_.gradient + r * whole_.row + from, to - from, 0.0f);
  }

  // What `add_tall` is to fetch the so manieth time that it runs for the rows from `first` on: of the next rows all
  // panels, a part each time.
  const float* Ahead(int64_t visit, int64_t first) const {
    const int64_t next = first + kDepth < whole_.x.rows_ ? first + kDepth : first;
    const int64_t tall_parts = Parts(tall_, inner().fetched), panel_parts = Parts(panel_, inner().fetched);
    const int64_t part = inner().fetched * kDepth, talls = (x_to_ - x_from_) * tall_parts;
    if (visit < talls) return whole_.x.Panel(x_from_ + visit / tall_parts, next) + visit % tall_parts * part;
    const int64_t rest = visit - talls, panel = std::min(dy_from_ + rest / panel_parts, dy_to_ - 1);
    return whole_.dy.Panel(panel, next) + rest % panel_parts * part;
  }

  MatrixGradient whole_;
  int64_t tall_ = inner().tall, panel_ = inner().panel, x_from_, x_to_, dy_from_, dy_to_;
};

void Sum(const std::vector<MatrixGradient>& gradients) {
  int64_t work = 0;
  for (const MatrixGradient& each : gradients) work += GradientPiece::Work(each);
  std::vector<GradientPiece> pieces;
  for (const MatrixGradient& each : gradients)
    GradientPiece::Cut(each, std::max<int64_t>(1, work / (kPieces * ThreadCount())), &pieces);
  ParallelFor(static_cast<int64_t>(pieces.size()), [&](int64_t i) { pieces[i].Sum(); });
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

GainGradient::GainGradient(int64_t rows, int64_t width)
    : width_(width), tiles_(Parts(rows, inner().tile)), sums_(NewFloats(tiles_ * width)) {}

void GainGradient::Take(int64_t first, int64_t count, const float* x, const float* inverse, const float* dy) {
  const int64_t tile = inner().tile;
  for (int64_t r = 0; r < count; r += tile) {
    float* sums = sums_.get() + (first + r) / tile * width_;
    std::fill_n(sums, width_, 0.0f);
    inner().norm_gain_gradient(x + r * width_, inverse + r, dy + r * width_, std::min(tile, count - r),
                               static_cast<int>(width_), sums);
  }
}

void GainGradient::Sum(float* gradient) const {
  std::fill_n(gradient, width_, 0.0f);
  for (int64_t t = 0; t < tiles_; t++) inner().add_rows(gradient, sums_.get() + t * width_, width_, gradient);
}

}  // namespace kvd
