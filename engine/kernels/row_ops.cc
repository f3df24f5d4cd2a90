// RMSNorm, gated activations, and rows by number.
#include <algorithm>

#include "factor.h"
#include "inner.h"
#include "op.h"
#include "pool.h"
#include "weights.h"

namespace kvd {
namespace {

// Rows that one thread does at a time.
constexpr int64_t kRows = 256;

bool Within(const int32_t* rows, int64_t count, int64_t all) {
  return std::all_of(rows, rows + count, [&](int32_t row) { return row >= 0 && row < all; });
}

void Norm(Run& run, const Attributes& attributes) {
  const int64_t rows = run.Dim(0, 0), width = run.Dim(0, 1);
  const float *x = run.In(0), *gain = run.In(1);
  float *y = run.OutLike(0, 0), *inverse = run.Out(1, {rows});
  ParallelFor(Parts(rows, kRows), [&](int64_t piece) {
    const int64_t first = piece * kRows, count = std::min(kRows, rows - first);
    inner().norm_forward(x + first * width, gain, attributes.f[0], count, width, y + first * width, inverse + first);
  });
}

void NormGrad(Run& run, const Attributes&) {
  const int64_t rows = run.Dim(0, 0), width = run.Dim(0, 1);
  const float *x = run.In(0), *gain = run.In(1), *inverse = run.In(2), *dy = run.In(3);
  float* dx = run.OutLike(0, 0);
  GainGradient gain_gradient(rows, width);
  ForRows(rows, 0, [&](int64_t first, int64_t count, float*) {
    const float *from = x + first * width, *slope = dy + first * width;
    inner().norm_input_gradient(from, gain, inverse + first, slope, count, width, nullptr, dx + first * width);
    gain_gradient.Take(first, count, from, inverse + first, slope);
  });
  gain_gradient.Sum(run.Out(1, {width}));
}

void Gate(Run& run, const Attributes& attributes) {
  const int64_t rows = run.Dim(0, 0), width = run.Dim(0, 1) / 2;
  const float* gate_up = run.In(0);
  float* y = run.Out(0, {rows, width});
  ParallelFor(Parts(rows, kRows), [&](int64_t piece) {
    const int64_t first = piece * kRows, count = std::min(kRows, rows - first);
    inner().gate_forward(gate_up + first * 2 * width, count, width, attributes.i[0] != 0, y + first * width);
  });
}

void GateGrad(Run& run, const Attributes& attributes) {
  const int64_t rows = run.Dim(0, 0), width = run.Dim(0, 1) / 2;
  const float *gate_up = run.In(0), *dy = run.In(1);
  float* gradient = run.OutLike(0, 0);
  ParallelFor(Parts(rows, kRows), [&](int64_t piece) {
    const int64_t first = piece * kRows, count = std::min(kRows, rows - first);
    inner().gate_backward(gate_up + first * 2 * width, dy + first * width, count, width, attributes.i[0] != 0,
                          gradient + first * 2 * width);
  });
}

// Inputs: x [all, width], rows [some]. Output: those rows of x.
void TakeRows(Run& run, const Attributes&) {
  const int64_t all = run.Dim(0, 0), width = run.Dim(0, 1), some = run.Dim(1, 0);
  const float* x = run.In(0);
  const int32_t* rows = run.Integers(1);
  if (!Within(rows, some, all)) return run.Fail("a row that is not there");
  float* y = run.Out(0, {some, width});
  for (int64_t r = 0; r < some; r++) std::copy_n(x + rows[r] * width, width, y + r * width);
}

// Inputs: x, rows, dy. Output: dx.
void TakeRowsGrad(Run& run, const Attributes&) {
  const int64_t all = run.Dim(0, 0), width = run.Dim(0, 1), some = run.Dim(1, 0);
  const int32_t* rows = run.Integers(1);
  const float* dy = run.In(2);
  float* dx = run.OutLike(0, 0);
  std::fill_n(dx, all * width, 0.0f);
  for (int64_t r = 0; r < some; r++) {
    float* to = dx + rows[r] * width;
    inner().add_rows(to, dy + r * width, width, to);
  }
}

const Registered take_rows({"KvdTakeRows", {"x: float", "rows: int32"}, {"y: float"}, {}, {}, TakeRows});
const Registered take_rows_grad(
    {"KvdTakeRowsGrad", {"x: float", "rows: int32", "dy: float"}, {"dx: float"}, {}, {}, TakeRowsGrad});
const Registered norm({"KvdNorm", {"x: float", "gain: float"}, {"y: float", "inverse: float"}, {"epsilon"}, {}, Norm});
const Registered norm_grad({"KvdNormGrad",
                            {"x: float", "gain: float", "inverse: float", "dy: float"},
                            {"dx: float", "dgain: float"},
                            {},
                            {},
                            NormGrad});
const Registered gate({"KvdGate", {"gate_up: float"}, {"y: float"}, {}, {"gelu"}, Gate});
const Registered gate_grad(
    {"KvdGateGrad", {"gate_up: float", "dy: float"}, {"dgate_up: float"}, {}, {"gelu"}, GateGrad});

}  // namespace
}  // namespace kvd
