// Low-rank adapters of projections that share their input.
#include <algorithm>
#include <vector>

#include "inner.h"
#include "op.h"
#include "pool.h"

namespace kvd {
namespace {

// Rows that one thread does at a time.
constexpr int64_t kRows = 128;
// Rows of which the gradients of the matrices are summed in one place: a number, so that sums do not depend on threads.
constexpr int64_t kSummed = 2048;

// `n` adapters: y = base + side by side (x a_i · route_i · scale) b_i. A route is a column [rows, 1], or [1, 1].
struct Adapters {
  int n;
  int64_t rows, in, out, rank;
  std::vector<const float*> a, b, routes;
  std::vector<int64_t> route_steps, widths, offsets;

  // `first` is the place of the first route among the inputs; then come the a's and the b's.
  Adapters(Run& run, int n, int first) : n(n), rows(run.Dim(0, 0)), in(run.Dim(0, 1)), out(0), rank(0) {
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
  // Columns of the low-rank images, side by side and padded.
  int64_t Low() const { return inner().padded(static_cast<int>(n * rank)); }

  // The a's side by side, [in, low].
  std::vector<float> Down() const {
    std::vector<float> down(in * Low(), 0.0f);
    for (int i = 0; i < n; i++)
      for (int64_t r = 0; r < in; r++) std::copy_n(a[i] + r * rank, rank, down.data() + r * Low() + i * rank);
    return down;
  }
  // Rows of low-rank images, from row `first` of all on, as they are routed and scaled.
  void Route(const float* low, int64_t first, int64_t count, float scale, float* routed) const {
    for (int64_t r = 0; r < count; r++)
      for (int i = 0; i < n; i++) {
        const float factor = routes[i][(first + r) * route_steps[i]] * scale;
        for (int64_t k = r * Low() + i * rank, end = k + rank; k < end; k++) routed[k] = low[k] * factor;
      }
  }
};

// Inputs: x [rows, in], base [rows, out], n each of routes, a [in, rank], b [rank, width]. Outputs: y, and the
// low-rank images x a, not yet routed.
void Lora(Run& run, const Attributes& attributes) {
  const Adapters l(run, (run.Inputs() - 2) / 3, 2);
  const float *x = run.In(0), *base = run.In(1);
  const int64_t low_width = l.Low();
  float *y = run.OutLike(0, 1), *low = run.Out(1, {l.rows, low_width});
  const std::vector<float> down = l.Down();
  ParallelFor((l.rows + kRows - 1) / kRows, [&](int64_t piece) {
    const int64_t first = piece * kRows;
    const int count = static_cast<int>(std::min(kRows, l.rows - first));
    float *own = low + first * low_width, *to = y + first * l.out;
    inner().product(count, low_width, l.in, x + first * l.in, l.in, 1, down.data(), low_width, own, low_width, false);
    std::vector<float> routed(count * low_width);
    l.Route(own, first, count, attributes.f[0], routed.data());
    std::copy_n(base + first * l.out, count * l.out, to);
    for (int i = 0; i < l.n; i++)
      inner().product(count, l.widths[i], l.rank, routed.data() + i * l.rank, low_width, 1, l.b[i], l.widths[i],
                      to + l.offsets[i], l.out, true);
  });
}

// Inputs: x, n each of routes, a, b; the low-rank images; dy. Outputs: dx, n each of the gradients of routes
// (0 where a route is the same for all rows, which is a constant), a and b.
void LoraGrad(Run& run, const Attributes& attributes) {
  const Adapters l(run, (run.Inputs() - 3) / 3, 1);
  const float *x = run.In(0), *low = run.In(1 + 3 * l.n), *dy = run.In(2 + 3 * l.n);
  const int64_t low_width = l.Low();
  float* dx = run.OutLike(0, 0);
  const std::vector<float> down = l.Down();
  std::vector<float> up(low_width * l.in);
  for (int64_t r = 0; r < l.in; r++)
    for (int64_t k = 0; k < low_width; k++) up[k * l.in + r] = down[r * low_width + k];
  std::vector<float*> droutes;
  for (int i = 0; i < l.n; i++) {
    droutes.push_back(run.OutLike(1 + i, 1 + i));
    if (l.route_steps[i] == 0) *droutes[i] = 0.0f;
  }
  const int64_t rank_width = inner().padded(static_cast<int>(l.rank));
  std::vector<std::vector<float>> b_transposed(l.n);
  for (int i = 0; i < l.n; i++) {
    b_transposed[i].assign(l.widths[i] * rank_width, 0.0f);
    for (int64_t k = 0; k < l.rank; k++)
      for (int64_t c = 0; c < l.widths[i]; c++) b_transposed[i][c * rank_width + k] = l.b[i][k * l.widths[i] + c];
  }
  const int64_t groups = (l.rows + kSummed - 1) / kSummed, a_size = l.in * low_width, b_size = l.rank * l.out;
  std::vector<float> sums(groups * (a_size + b_size), 0.0f);
  ParallelFor(groups, [&](int64_t group) {
    float *da = sums.data() + group * (a_size + b_size), *db = da + a_size;
    std::vector<float> slopes(kRows * low_width, 0.0f), part(kRows * rank_width), routed(kRows * low_width);
    for (int64_t first = group * kSummed; first < std::min(l.rows, (group + 1) * kSummed); first += kRows) {
      const int count = static_cast<int>(std::min(kRows, l.rows - first));
      const float *own_dy = dy + first * l.out, *own_low = low + first * low_width, *own_x = x + first * l.in;
      l.Route(own_low, first, count, attributes.f[0], routed.data());
      for (int i = 0; i < l.n; i++) {
        inner().product(count, rank_width, l.widths[i], own_dy + l.offsets[i], l.out, 1, b_transposed[i].data(),
                        rank_width, part.data(), rank_width, false);
        for (int r = 0; r < count; r++) {
          const float *slope = part.data() + r * rank_width, *image = own_low + r * low_width + i * l.rank;
          std::copy_n(slope, l.rank, slopes.data() + r * low_width + i * l.rank);
          if (l.route_steps[i] == 0) continue;
          float sum = 0.0f;
          for (int64_t k = 0; k < l.rank; k++) sum += slope[k] * image[k];
          droutes[i][first + r] = sum * attributes.f[0];
        }
        inner().product(l.rank, l.widths[i], count, routed.data() + i * l.rank, 1, low_width, own_dy + l.offsets[i], l.out,
                        db + l.rank * l.offsets[i], l.widths[i], true);
      }
      l.Route(slopes.data(), first, count, attributes.f[0], slopes.data());
      inner().product(count, l.in, l.n * l.rank, slopes.data(), low_width, 1, up.data(), l.in, dx + first * l.in, l.in,
                      false);
      inner().product(l.in, low_width, count, own_x, 1, l.in, slopes.data(), low_width, da, low_width, true);
    }
  });
  for (int64_t group = 1; group < groups; group++)
    for (int64_t i = 0; i < a_size + b_size; i++) sums[i] += sums[group * (a_size + b_size) + i];
  for (int i = 0; i < l.n; i++) {
    float* da = run.OutLike(1 + l.n + i, 1 + l.n + i);
    float* db = run.OutLike(1 + 2 * l.n + i, 1 + 2 * l.n + i);
    for (int64_t r = 0; r < l.in; r++) std::copy_n(sums.data() + r * low_width + i * l.rank, l.rank, da + r * l.rank);
    std::copy_n(sums.data() + a_size + l.rank * l.offsets[i], l.rank * l.widths[i], db);
  }
}

const Registered lora({"KvdLora",
                       {"x: float", "base: float", "routes: N * float", "a: N * float", "b: N * float"},
                       {"y: float", "low: float"},
                       {"scale"},
                       {},
                       Lora});
const Registered lora_grad(
    {"KvdLoraGrad",
     {"x: float", "routes: N * float", "a: N * float", "b: N * float", "low: float", "dy: float"},
     {"dx: float", "droutes: N * float", "da: N * float", "db: N * float"},
     {"scale"},
     {},
     LoraGrad});

}  // namespace
}  // namespace kvd
