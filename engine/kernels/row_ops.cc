// RMSNorm and gated activations.
#include <algorithm>

#include "inner.h"
#include "op.h"
#include "pool.h"
#include "weights.h"

namespace kvd {
namespace {

// Rows that one thread does at a time; a number, so that sums over them do not depend on the threads.
constexpr int64_t kRows = 256;

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
  ParallelFor(Parts(rows, kRows), [&](int64_t piece) {
    const int64_t first = piece * kRows, count = std::min(kRows, rows - first);
    inner().norm_input_gradient(x + first * width, gain, inverse + first, dy + first * width, count, width, nullptr,
                                dx + first * width);
  });
  GainGradient(rows, width, x, inverse, dy, run.Out(1, {width}));
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
                          gradient + first * 2 * width, nullptr);
  });
}

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
