// A decoder layer's gated MLP around the residual stream: x + (activation(h G) · (h U)) D, h = norm(x).
#include <algorithm>

#include "factor.h"
#include "inner.h"
#include "op.h"
#include "weights.h"

namespace kvd {
namespace {

// Inputs: x [rows, hidden], gain [hidden], gate_up [hidden, 2·width], down [width, hidden]. Outputs: y, the norm's
// factors [rows], and h · gate_up where it is to be kept for the gradient (else no rows of it).
void Mlp(Run& run, const Attributes& attributes) {
  const int64_t rows = run.Dim(0, 0), hidden = run.Dim(0, 1), width = run.Dim(3, 0);
  const bool gelu = attributes.i[0] != 0, keep = attributes.i[1] != 0;
  const float *x = run.In(0), *gain = run.In(1);
  const Factor gate_up(run.In(2), hidden, 2 * width, false), down(run.In(3), width, hidden, false);
  float *y = run.OutLike(0, 0), *inverse = run.Out(1, {rows}), *kept = run.Out(2, {keep ? rows : 0, 2 * width});
  ForRows(rows, hidden + (keep ? 1 : 3) * width, [&](int64_t first, int64_t count, float* normed) {
    const float* from = x + first * hidden;
    float *to = y + first * hidden, *activated = normed + count * hidden;
    float* both = keep ? kept + first * 2 * width : activated + count * width;
    inner().norm_forward(from, gain, attributes.f[0], count, static_cast<int>(hidden), normed, inverse + first);
    gate_up.Multiply(count, normed, hidden, both, 2 * width, false);
    inner().gate_forward(both, count, static_cast<int>(width), gelu, activated);
    std::copy_n(from, count * hidden, to);
    down.Multiply(count, activated, width, to, hidden, true);
  });
}

// Inputs: x, gain, gate_up, down, the norm's factors, h · gate_up, dy. Outputs: dx, and the gradients of gain and
// matrices where they are learned (else no numbers).
void MlpGrad(Run& run, const Attributes& attributes) {
  const int64_t rows = run.Dim(0, 0), hidden = run.Dim(0, 1), width = run.Dim(3, 0);
  const bool gelu = attributes.i[0] != 0, learned = attributes.i[1] != 0;
  const float *x = run.In(0), *gain = run.In(1), *inverse = run.In(4), *kept = run.In(5), *dy = run.In(6);
  const Factor from_gate_up(run.In(2), 2 * width, hidden, true), from_down(run.In(3), hidden, width, true);
  float* dx = run.OutLike(0, 0);
  const int64_t summed = learned ? rows : 0;
  using Columns = Summand::Columns;
  Summand normed(summed, hidden, Columns::kRows), gate_slopes(summed, 2 * width, Columns::kColumns);
  Summand activated(summed, width, Columns::kRows), slopes(summed, hidden, Columns::kColumns);
  const Floats norm_slopes = NewFloats(summed * hidden);
  ForRows(rows, hidden + (learned ? 4 : 3) * width, [&](int64_t first, int64_t count, float* dnormed) {
    const float *from = x + first * hidden, *slope = dy + first * hidden;
    float *dactivated = dnormed + count * hidden, *dboth = dactivated + count * width;
    float* again = learned ? dboth + count * 2 * width : nullptr;
    from_down.Multiply(count, slope, hidden, dactivated, width, false);
    inner().gate_backward(kept + first * 2 * width, dactivated, count, static_cast<int>(width), gelu, dboth, again);
    from_gate_up.Multiply(count, dboth, 2 * width, dnormed, hidden, false);
    inner().norm_input_gradient(from, gain, inverse + first, dnormed, count, static_cast<int>(hidden), slope,
                                dx + first * hidden);
    if (!learned) return;
    slopes.Take(first, count, slope);
    activated.Take(first, count, again);
    gate_slopes.Take(first, count, dboth);
    std::copy_n(dnormed, count * hidden, norm_slopes.get() + first * hidden);
    inner().norm_again(from, gain, inverse + first, count, static_cast<int>(hidden), dnormed);
    normed.Take(first, count, dnormed);
  });
  if (!learned) {
    for (int i = 1; i <= 3; i++) run.Out(i, {0});
    return;
  }
  GainGradient(rows, hidden, x, inverse, norm_slopes.get(), run.OutLike(1, 1));
  MatrixGradient(normed, gate_slopes, run.OutLike(2, 2));
  MatrixGradient(activated, slopes, run.OutLike(3, 3));
}

const Registered mlp({"KvdMlp",
                      {"x: float", "gain: float", "gate_up: float", "down: float"},
                      {"y: float", "inverse: float", "both: float"},
                      {"epsilon"},
                      {"gelu", "keep"},
                      Mlp});
const Registered mlp_grad({"KvdMlpGrad",
                           {"x: float", "gain: float", "gate_up: float", "down: float", "inverse: float",
                            "both: float", "dy: float"},
                           {"dx: float", "dgain: float", "dgate_up: float", "ddown: float"},
                           {},
                           {"gelu", "learned"},
                           MlpGrad});

}  // namespace
}  // namespace kvd
