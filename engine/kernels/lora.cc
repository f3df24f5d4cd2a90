#include "lora.h"

#include <algorithm>

#include "inner.h"
#include "pool.h"

namespace kvd {
namespace {

// Rows of one group at least, and groups at most: each has sums as large as the matrices.
constexpr int64_t kFewestRows = 128, kMostGroups = 16;
// Rows that are taken in at once, at most.
constexpr int64_t kRows = 64;
// Sums over the groups that one thread takes at a time.
constexpr int64_t kSums = 4096;

}  // namespace

Adapters::Adapters(Run& run, int n, int first, int64_t rows, int64_t in, float scale)
    : n(n), rows(rows), in(in), out(0), rank(0), scale(scale) {
  for (int i = 0; i < n; i++) {
    routes.push_back(run.In(first + i));
    route_steps.push_back(run.Size(first + i) == 1 ? 0 : 1);
    a.push_back(run.In(first + n + i));
    b.push_back(run.In(first + 2 * n + i));
    rank = run.Dim(first + 2 * n + i, 0);
    widths.push_back(run.Dim(first + 2 * n + i, 1));
    offsets.push_back(out);
    out += widths.back();
  }
}

int64_t Adapters::Low() const { return inner().padded(static_cast<int>(n * rank)); }

std::vector<float> Adapters::Down() const {
  std::vector<float> down(in * Low(), 0.0f);
  for (int i = 0; i < n; i++)
    for (int64_t r = 0; r < in; r++) std::copy_n(a[i] + r * rank, rank, down.data() + r * Low() + i * rank);
  return down;
}

void Adapters::Route(const float* low, int64_t first, int64_t count, float* routed) const {
  for (int64_t r = 0; r < count; r++)
    for (int i = 0; i < n; i++) {
      const float factor = routes[i][(first + r) * route_steps[i]] * scale;
      for (int64_t k = r * Low() + i * rank, end = k + rank; k < end; k++) routed[k] = low[k] * factor;
    }
}

void Adapters::Add(const std::vector<float>& down, int64_t first, int64_t count, const float* x_tiles, float* low,
                   float* y) const {
  if (n == 0) return;
  const int some = static_cast<int>(count), low_width = static_cast<int>(Low());
  inner().product_of_tiles(some, low_width, static_cast<int>(in), x_tiles, in, down.data(), low_width, low, low_width,
                           false);
  std::vector<float> routed(count * low_width);
  Route(low, first, count, routed.data());
  const Floats tiles = Tiles(count, low_width, routed.data());
  for (int i = 0; i < n; i++)
    inner().product_of_tiles(some, static_cast<int>(widths[i]), static_cast<int>(rank),
                             tiles.get() + i * rank * inner().tile, low_width, b[i], widths[i], y + offsets[i], out,
                             true);
}

AdapterGradients::AdapterGradients(Run& run, const Adapters& adapters, int input, int output)
    : run_(run), adapters_(adapters), input_(input), output_(output), low_(adapters.Low()),
      rank_width_(inner().padded(static_cast<int>(adapters.rank))) {
  const Adapters& l = adapters;
  const int64_t tile = inner().tile;
  group_ = Parts(std::max(kFewestRows, Parts(l.rows, kMostGroups)), tile) * tile;
  groups_ = l.n == 0 ? 0 : Parts(l.rows, group_);
  size_ = ASize() + l.rank * l.out;
  sums_ = NewFloats(groups_ * size_);
  const std::vector<float> down = l.Down();
  up_.resize(low_ * l.in);
  for (int64_t r = 0; r < l.in; r++)
    for (int64_t k = 0; k < low_; k++) up_[k * l.in + r] = down[r * low_ + k];
  for (int i = 0; i < l.n; i++) {
    droutes_.push_back(run.OutLike(output + i, input + i));
    // A route that is the same for all rows is a constant.
    if (l.route_steps[i] == 0) *droutes_[i] = 0.0f;
    std::vector<float> turned(l.widths[i] * rank_width_, 0.0f);
    for (int64_t k = 0; k < l.rank; k++)
      for (int64_t c = 0; c < l.widths[i]; c++) turned[c * rank_width_ + k] = l.b[i][k * l.widths[i] + c];
    b_transposed_.push_back(std::move(turned));
  }
}

void AdapterGradients::ForRows(const std::function<void(int64_t, int64_t, float*)>& rows) {
  if (adapters_.n == 0) {
    kvd::ForRows(adapters_.rows, 0, rows);
    return;
  }
  const int64_t together = kRows / inner().tile * inner().tile;
  ParallelFor(groups_, [&](int64_t group) {
    const int64_t end = std::min(adapters_.rows, (group + 1) * group_);
    float* own = sums_.get() + group * size_;
    std::fill_n(own, size_, 0.0f);
    for (int64_t first = group * group_; first < end; first += together)
      rows(first, std::min(together, end - first), own);
  });
}

void AdapterGradients::Add(int64_t first, int64_t rows, const float* x, const float* low, const float* dy,
                           const float* dy_tiles, float* dx, float* own) const {
  const Adapters& l = adapters_;
  if (l.n == 0) return;
  const int count = static_cast<int>(rows), in = static_cast<int>(l.in), low_width = static_cast<int>(low_);
  float *da = own, *db = own + ASize();
  std::vector<float> slopes(count * low_, 0.0f), part(count * rank_width_), routed(count * low_);
  l.Route(low, first, count, routed.data());
  for (int i = 0; i < l.n; i++) {
    const int width = static_cast<int>(l.widths[i]);
    inner().product_of_tiles(count, static_cast<int>(rank_width_), width, dy_tiles + l.offsets[i] * inner().tile, l.out,
                             b_transposed_[i].data(), rank_width_, part.data(), rank_width_, false);
    for (int r = 0; r < count; r++) {
      const float *slope = part.data() + r * rank_width_, *image = low + r * low_ + i * l.rank;
      std::copy_n(slope, l.rank, slopes.data() + r * low_ + i * l.rank);
      if (l.route_steps[i] == 0) continue;
      float sum = 0.0f;
      for (int64_t k = 0; k < l.rank; k++) sum += slope[k] * image[k];
      droutes_[i][first + r] = sum * l.scale;
    }
    inner().add_product(static_cast<int>(l.rank), width, count, routed.data() + i * l.rank, low_, dy + l.offsets[i],
                        l.out, db + l.rank * l.offsets[i], width);
  }
  l.Route(slopes.data(), first, count, slopes.data());
  if (dx != nullptr)
    inner().product_of_tiles(count, in, static_cast<int>(l.n * l.rank), Tiles(count, low_, slopes.data()).get(), low_,
                             up_.data(), in, dx, in, true);
  inner().add_product(in, low_width, count, x, in, slopes.data(), low_, da, low_);
}

void AdapterGradients::Finish() {
  const Adapters& l = adapters_;
  if (l.n == 0) return;
  ParallelFor(Parts(size_, kSums), [&](int64_t piece) {
    float* sums = sums_.get() + piece * kSums;
    const int64_t count = std::min(kSums, size_ - piece * kSums);
    for (int64_t group = 1; group < groups_; group++) inner().add_rows(sums, sums + group * size_, count, sums);
  });
  for (int i = 0; i < l.n; i++) {
    float* da = run_.OutLike(output_ + l.n + i, input_ + l.n + i);
    float* db = run_.OutLike(output_ + 2 * l.n + i, input_ + 2 * l.n + i);
    for (int64_t r = 0; r < l.in; r++) std::copy_n(sums_.get() + r * low_ + i * l.rank, l.rank, da + r * l.rank);
    std::copy_n(sums_.get() + ASize() + l.rank * l.offsets[i], l.rank * l.widths[i], db);
  }
}

}  // namespace kvd
