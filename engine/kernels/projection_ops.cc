// The projections around a decoder layer's attention, with their low-rank adapters: norm and rotary embedding before,
// the residual stream behind.

#include "factor.h"
#include "inner.h"
#include "lora.h"
#include "op.h"
#include "rotary.h"
#include "weights.h"

namespace kvd {
namespace {

// Inputs: x [rows, hidden], gain, weight [hidden, (heads + 2·kv_heads)·width], bias (or one number for none), cos, sin,
// the weight as panels (or one number for none), n each of routes, a, b. Outputs: queries, keys, values [batch, heads,
// tokens, width], the norm's factors [rows], low-rank images.
void Project(Run& run, const Attributes& attributes) {
  const int n = (run.Inputs() - 7) / 3;
  const int64_t rows = run.Dim(0, 0), hidden = run.Dim(0, 1), out = run.Dim(2, 1), batch = attributes.i[0];
  const int64_t queries = attributes.i[1], keys = attributes.i[2], width = out / (queries + 2 * keys);
  const int64_t tokens = rows / batch;
  const Heads heads = {batch, tokens, queries, keys, width, run.Size(4) / (tokens * width)};
  const Adapters adapters(run, n, 7, rows, hidden, attributes.f[1]);
  const float *x = run.In(0), *gain = run.In(1), *bias = run.In(3), *cos = run.In(4), *sin = run.In(5);
  const bool biased = run.Size(3) == out;
  const Factor weight(run.In(2), hidden, out, false, out, run.Panels(6));
  const std::vector<float> down = adapters.Down();
  float* const outs[] = {run.Out(0, {batch, queries, tokens, width}), run.Out(1, {batch, keys, tokens, width}),
                         run.Out(2, {batch, keys, tokens, width})};
  float *inverse = run.Out(3, {rows}), *low = run.Out(4, {rows, adapters.Low()});
  ForRows(rows, hidden + out, [&](int64_t first, int64_t count, float* normed) {
    float* packed = normed + count * hidden;
    inner().norm_forward(x + first * hidden, gain, attributes.f[0], count, static_cast<int>(hidden), normed,
                         inverse + first);
    const Floats tiles = Tiles(count, hidden, normed);
    weight.Multiply(count, tiles.get(), nullptr, packed);
    for (int64_t r = 0; biased && r < count; r++) inner().add_rows(packed + r * out, bias, out, packed + r * out);
    adapters.Add(down, first, count, tiles.get(), low + first * adapters.Low(), packed);
    heads.Split(first, count, packed, cos, sin, outs);
  });
}

// Inputs: x, gain, weight, bias, cos, sin, the weight transposed as panels (or one number for none), n each of routes, a,
// b, the norm's factors, low-rank images, gradients of queries, keys and values, and that of x where it went past all
// this. Outputs: dx where gradients flow through to it or weights are learned, the gradients of gain, weight and bias
// where they are learned (else no numbers), n each of those of routes, a and b.
void ProjectGrad(Run& run, const Attributes& attributes) {
  const int n = (run.Inputs() - 13) / 3, rest = 7 + 3 * n;
  const int64_t rows = run.Dim(0, 0), hidden = run.Dim(0, 1), out = run.Dim(2, 1);
  const bool learned = attributes.i[0] != 0, through = attributes.i[1] != 0 || learned, biased = run.Size(3) == out;
  const int64_t batch = run.Dim(rest + 3, 0), tokens = run.Dim(rest + 3, 2), width = run.Dim(rest + 3, 3);
  const Heads heads = {batch, tokens, run.Dim(rest + 2, 1), run.Dim(rest + 3, 1), width,
                       run.Size(4) / (tokens * width)};
  const Adapters adapters(run, n, 7, rows, hidden, attributes.f[1]);
  const float *x = run.In(0), *gain = run.In(1), *cos = run.In(4), *sin = run.In(5);
  const float *inverse = run.In(rest), *low = run.In(rest + 1), *past = run.In(rest + 5);
  const float* const gradients_of_heads[] = {run.In(rest + 2), run.In(rest + 3), run.In(rest + 4)};
  const Factor back(run.In(2), out, hidden, true, out, run.Panels(6));
  float* dx = through ? run.OutLike(0, 0) : run.Out(0, {0});
  AdapterGradients gradients(run, adapters, 7, 4);
  const int64_t summed = learned ? rows : 0;
  Summand inputs(summed, hidden, Summand::Columns::kRows), slopes(summed, out, Summand::Columns::kColumns);
  GainGradient gain_gradient(summed, hidden);
  gradients.ForRows([&](int64_t first, int64_t count, float* own) {
    const Floats scratch = NewFloats(count * (2 * hidden + out));
    float *normed = scratch.get(), *dnormed = normed + count * hidden, *packed = dnormed + count * hidden;
    const float* from = x + first * hidden;
    heads.Join(first, count, gradients_of_heads, cos, sin, packed);
    const Floats tiles = Tiles(count, out, packed);
    if (through) back.Multiply(count, tiles.get(), nullptr, dnormed);
    if (learned || n > 0) inner().norm_again(from, gain, inverse + first, count, static_cast<int>(hidden), normed);
    gradients.Add(first, count, normed, low + first * adapters.Low(), packed, tiles.get(), through ? dnormed : nullptr,
                  own);
    if (!through) return;
    inner().norm_input_gradient(from, gain, inverse + first, dnormed, count, static_cast<int>(hidden),
                                past + first * hidden, dx + first * hidden);
    if (!learned) return;
    inputs.Take(first, count, normed);
    slopes.Take(first, count, packed);
    gain_gradient.Take(first, count, from, inverse + first, dnormed);
  });
  gradients.Finish();
  if (!learned) {
    for (int i = 1; i <= 3; i++) run.Out(i, {0});
    return;
  }
  gain_gradient.Sum(run.OutLike(1, 1));
  Sum({{inputs, slopes, run.OutLike(2, 2), out}});
  if (biased) BiasGradient(slopes, run.OutLike(3, 3));
  else run.Out(3, {0});
}

// Inputs: rows [rows, in], weight [in, hidden], residual [rows, hidden], the weight as panels (or one number for none), n
// each of routes, a, b (n is 0 or 1). Outputs: residual + rows · weight, adapted; low-rank images.
void Output(Run& run, const Attributes& attributes) {
  const int n = (run.Inputs() - 4) / 3;
  const int64_t rows = run.Dim(0, 0), in = run.Dim(0, 1), hidden = run.Dim(1, 1);
  const Adapters adapters(run, n, 4, rows, in, attributes.f[0]);
  const float *x = run.In(0), *residual = run.In(2);
  const Factor weight(run.In(1), in, hidden, false, hidden, run.Panels(3));
  const std::vector<float> down = adapters.Down();
  float *y = run.OutLike(0, 2), *low = run.Out(1, {rows, adapters.Low()});
  ForRows(rows, hidden, [&](int64_t first, int64_t count, float* projected) {
    const float *from = x + first * in, *past = residual + first * hidden;
    const Floats tiles = Tiles(count, in, from);
    if (n == 0) {
      weight.Multiply(count, tiles.get(), past, y + first * hidden);
      return;
    }
    weight.Multiply(count, tiles.get(), nullptr, projected);
    adapters.Add(down, first, count, tiles.get(), low + first * adapters.Low(), projected);
    inner().add_rows(past, projected, count * hidden, y + first * hidden);
  });
}

// Inputs: rows, weight, the weight transposed as panels (or one number for none), n each of routes, a, b, low-rank
// images, dy. Outputs: the gradient of rows, that of the weight where it is learned (else no numbers), n each of those of
// routes, a and b.
void OutputGrad(Run& run, const Attributes& attributes) {
  const int n = (run.Inputs() - 5) / 3, rest = 3 + 3 * n;
  const int64_t rows = run.Dim(0, 0), in = run.Dim(0, 1), hidden = run.Dim(1, 1);
  const Adapters adapters(run, n, 3, rows, in, attributes.f[0]);
  const float *x = run.In(0), *low = run.In(rest), *dy = run.In(rest + 1);
  const Factor back(run.In(1), hidden, in, true, hidden, run.Panels(2));
  float* dx = run.OutLike(0, 0);
  AdapterGradients gradients(run, adapters, 3, 2);
  const bool learned = attributes.i[0] != 0;
  const int64_t summed = learned ? rows : 0;
  Summand inputs(summed, in, Summand::Columns::kRows), slopes(summed, hidden, Summand::Columns::kColumns);
  gradients.ForRows([&](int64_t first, int64_t count, float* own) {
    const float* slope = dy + first * hidden;
    if (learned) {
      inputs.Take(first, count, x + first * in);
      slopes.Take(first, count, slope);
    }
    const Floats tiles = Tiles(count, hidden, slope);
    back.Multiply(count, tiles.get(), nullptr, dx + first * in);
    gradients.Add(first, count, x + first * in, low + first * adapters.Low(), slope, tiles.get(), dx + first * in, own);
  });
  gradients.Finish();
  if (learned) Sum({{inputs, slopes, run.OutLike(1, 1), hidden}});
  else run.Out(1, {0});
}

const Registered project(
    {"KvdProject",
     {"x: float", "gain: float", "weight: float", "bias: float", "cos: float", "signed_sin: float",
      "panels: float", "routes: N * float", "a: N * float", "b: N * float"},
     {"queries: float", "keys: float", "values: float", "inverse: float", "low: float"},
     {"epsilon", "scale"},
     {"batch", "heads", "kv_heads"},
     Project});
const Registered project_grad(
    {"KvdProjectGrad",
     {"x: float", "gain: float", "weight: float", "bias: float", "cos: float", "signed_sin: float",
      "panels: float", "routes: N * float", "a: N * float", "b: N * float", "inverse: float", "low: float",
      "dqueries: float", "dkeys: float", "dvalues: float", "dpast: float"},
     {"dx: float", "dgain: float", "dweight: float", "dbias: float", "droutes: N * float", "da: N * float",
      "db: N * float"},
     {"epsilon", "scale"},
     {"learned", "through"},
     ProjectGrad});
const Registered output({"KvdOutput",
                         {"rows: float", "weight: float", "residual: float", "panels: float", "routes: N * float",
                          "a: N * float", "b: N * float"},
                         {"y: float", "low: float"},
                         {"scale"},
                         {},
                         Output});
const Registered output_grad({"KvdOutputGrad",
                              {"rows: float", "weight: float", "panels: float", "routes: N * float", "a: N * float",
                               "b: N * float", "low: float", "dy: float"},
                              {"drows: float", "dweight: float", "droutes: N * float", "da: N * float",
                               "db: N * float"},
                              {"scale"},
                              {"learned"},
                              OutputGrad});

}  // namespace
}  // namespace kvd
