// Low-rank adapters of projections that share their input.
#include <algorithm>

#include "lora.h"
#include "op.h"
#include "pool.h"

namespace kvd {
namespace {

// Rows that one thread does at a time.
constexpr int64_t kRows = 128;

// Inputs: x [rows, in], base [rows, out], n each of routes, a [in, rank], b [rank, width]. Outputs: y, and the
// low-rank images x a, not yet routed.
void Lora(Run& run, const Attributes& attributes) {
  const Adapters l(run, (run.Inputs() - 2) / 3, 2, run.Dim(0, 0), run.Dim(0, 1), attributes.f[0]);
  const float *x = run.In(0), *base = run.In(1);
  float *y = run.OutLike(0, 1), *low = run.Out(1, {l.rows, l.Low()});
  const std::vector<float> down = l.Down();
  ParallelFor(Parts(l.rows, kRows), [&](int64_t piece) {
    const int64_t first = piece * kRows, count = std::min(kRows, l.rows - first);
    std::copy_n(base + first * l.out, count * l.out, y + first * l.out);
    const Floats tiles = Tiles(count, l.in, x + first * l.in);
    l.Add(down, first, count, tiles.get(), low + first * l.Low(), y + first * l.out);
  });
}

// Inputs: x, n each of routes, a, b; the low-rank images; dy. Outputs: dx, n each of the gradients of routes
// (0 where a route is the same for all rows, which is a constant), a and b.
void LoraGrad(Run& run, const Attributes& attributes) {
  const int n = (run.Inputs() - 3) / 3;
  const Adapters l(run, n, 1, run.Dim(0, 0), run.Dim(0, 1), attributes.f[0]);
  const float *x = run.In(0), *low = run.In(1 + 3 * n), *dy = run.In(2 + 3 * n);
  float* dx = run.OutLike(0, 0);
  AdapterGradients gradients(run, l, 1, 1);
  gradients.ForRows([&](int64_t first, int64_t count, float* own) {
    float* to = dx + first * l.in;
    std::fill_n(to, count * l.in, 0.0f);
    const float* slope = dy + first * l.out;
    gradients.Add(first, count, x + first * l.in, low + first * l.Low(), slope, Tiles(count, l.out, slope).get(), to,
                  own);
  });
  gradients.Finish();
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
