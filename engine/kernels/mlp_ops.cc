// A decoder layer's gated MLP around the residual stream: x + (activation(h G) · (h U)) D, h = norm(x).

#include "factor.h"
#include "inner.h"
#include "op.h"
#include "pool.h"
#include "weights.h"

namespace kvd {
namespace {

// The panels [2, panels, rows, panel] of h · gate and h · up, or nowhere.
KeptPanels Panels(float* kept, int64_t rows, int64_t width) {
  const int64_t apart = rows * inner().panel;
  return {kept, kept == nullptr ? nullptr : kept + Parts(width, inner().panel) * apart, apart};
}

// Those of some rows, from row `first` on.
KeptPanels From(int64_t first, const KeptPanels& all) {
  if (all.gate == nullptr) return all;
  return {all.gate + first * inner().panel, all.up + first * inner().panel, all.apart};
}

// Inputs: x [rows, hidden], gain, gate_up [hidden, 2·width], down [width, hidden], both matrices as panels, gate's
// before up's (or one number each for none). Outputs: y, the norm's factors [rows], and h · gate_up where it is to be
// kept for the gradient, as panels (else no rows of it).
void Mlp(Run& run, const Attributes& attributes) {
  const int64_t rows = run.Dim(0, 0), hidden = run.Dim(0, 1), width = run.Dim(3, 0);
  const bool gelu = attributes.i[0] != 0, keep = attributes.i[1] != 0;
  const float *x = run.In(0), *gain = run.In(1), *gate_up = run.In(2);
  const float* packed = run.Panels(4);
  const Factor gate(gate_up, hidden, width, false, 2 * width, packed);
  const Factor up(gate_up + width, hidden, width, false, 2 * width,
                  packed == nullptr ? nullptr : packed + PanelFloats(hidden, width));
  const Factor down(run.In(3), width, hidden, false, hidden, run.Panels(5));
  float *y = run.OutLike(0, 0), *inverse = run.Out(1, {rows});
  float* both = run.Out(2, {keep ? rows : 0, 2 * Parts(width, inner().panel) * inner().panel});
  const KeptPanels kept = Panels(keep ? both : nullptr, rows, width);
  const GatedShape shape = {static_cast<int>(hidden), static_cast<int>(width), gelu};
  ForRows(rows, hidden, [&](int64_t first, int64_t count, float* normed) {
    const Floats gated = NewFloats(TiledFloats(count, width));
    const float* from = x + first * hidden;
    const int some = static_cast<int>(count);
    inner().norm_forward(from, gain, attributes.f[0], count, shape.hidden, normed, inverse + first);
    inner().gated_forward(shape, some, Tiles(count, hidden, normed).get(), gate.Panels(), up.Panels(),
                          From(first, kept), gated.get());
    down.Multiply(count, gated.get(), from, y + first * hidden);
  });
}

// Inputs: x, gain, gate_up, down, both matrices transposed as panels (or one number each for none), the norm's factors,
// h · gate_up as it was kept, dy. Outputs: dx, and the gradients of gain and matrices where they are learned (else no
// numbers); slopes then take the place of what was kept.
void MlpGrad(Run& run, const Attributes& attributes) {
  const int64_t rows = run.Dim(0, 0), hidden = run.Dim(0, 1), width = run.Dim(3, 0);
  const bool gelu = attributes.i[0] != 0, learned = attributes.i[1] != 0;
  const float *x = run.In(0), *gain = run.In(1), *inverse = run.In(6), *dy = run.In(8);
  const KeptPanels kept = Panels(run.InPlace(7), rows, width);
  const Factor from_gate_up(run.In(2), 2 * width, hidden, true, 2 * width, run.Panels(4));
  const Factor from_down(run.In(3), hidden, width, true, hidden, run.Panels(5));
  const GatedShape shape = {static_cast<int>(hidden), static_cast<int>(width), gelu};
  float* dx = run.OutLike(0, 0);
  const int64_t summed = learned ? rows : 0;
  using Columns = Summand::Columns;
  Summand normed(summed, hidden, Columns::kRows), slopes(summed, hidden, Columns::kColumns);
  Summand gate_slopes(summed, width, Columns::kColumns, kept.gate), up_slopes(summed, width, Columns::kColumns, kept.up);
  Summand gated(summed, width, Columns::kRows);
  GainGradient gain_gradient(summed, hidden);
  ForRows(rows, hidden, [&](int64_t first, int64_t count, float* dnormed) {
    const Floats both = NewFloats(TiledFloats(count, 2 * width));
    const float *from = x + first * hidden, *slope = dy + first * hidden;
    const int some = static_cast<int>(count);
    GatedPanels to = {};
    if (learned) to = {gated.At(first), gated.Apart()};
    inner().gated_backward(shape, some, Tiles(count, hidden, slope).get(), from_down.Panels(), From(first, kept), to,
                           both.get());
    from_gate_up.Multiply(count, both.get(), nullptr, dnormed);
    inner().norm_input_gradient(from, gain, inverse + first, dnormed, count, shape.hidden, slope, dx + first * hidden);
    if (!learned) return;
    slopes.Take(first, count, slope);
    gain_gradient.Take(first, count, from, inverse + first, dnormed);
    inner().norm_again(from, gain, inverse + first, count, shape.hidden, dnormed);
    normed.Take(first, count, dnormed);
  });
  if (!learned) {
    for (int i = 1; i <= 3; i++) run.Out(i, {0});
    return;
  }
  gain_gradient.Sum(run.OutLike(1, 1));
  float* dgate_up = run.OutLike(2, 2);
  Sum({{normed, gate_slopes, dgate_up, 2 * width},
       {normed, up_slopes, dgate_up + width, 2 * width},
       {gated, slopes, run.OutLike(3, 3), hidden}});
}

const Registered mlp({"KvdMlp",
                      {"x: float", "gain: float", "gate_up: float", "down: float", "gate_up_panels: float",
                       "down_panels: float"},
                      {"y: float", "inverse: float", "both: float"},
                      {"epsilon"},
                      {"gelu", "keep"},
                      Mlp});
const Registered mlp_grad({"KvdMlpGrad",
                           {"x: float", "gain: float", "gate_up: float", "down: float",
                            "gate_up_panels: float", "down_panels: float", "inverse: float", "both: float",
                            "dy: float"},
                           {"dx: float", "dgain: float", "dgate_up: float", "ddown: float"},
                           {},
                           {"gelu", "learned"},
                           MlpGrad});

}  // namespace
}  // namespace kvd
