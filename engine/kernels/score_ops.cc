// What learned scores go through on their way into a cache.
#include <algorithm>
#include <cmath>

#include "op.h"
#include "pool.h"

namespace kvd {
namespace {

// Keeps constant scores finite.
constexpr double kLeastVariance = 1e-6;

// Inputs: scores [batch, heads, tokens], a mask [batch, tokens] of the tokens that count. Outputs: each list brought to
// mean `bias` and standard deviation `spread` over those; its mean, and one over its deviation.
void Standardise(Run& run, const Attributes& attributes) {
  const int64_t batch = run.Dim(0, 0), heads = run.Dim(0, 1), tokens = run.Dim(0, 2);
  const float *scores = run.In(0), *masks = run.In(1);
  float *out = run.OutLike(0, 0), *means = run.Out(1, {batch, heads}), *inverses = run.Out(2, {batch, heads});
  ParallelFor(batch * heads, [&](int64_t list) {
    const float *x = scores + list * tokens, *mask = masks + list / heads * tokens;
    double count = 0, sum = 0, squares = 0;
    for (int64_t t = 0; t < tokens; t++) count += mask[t], sum += double(mask[t]) * x[t];
    count = std::max(count, 1.0);
    const float mean = static_cast<float>(sum / count);
    for (int64_t t = 0; t < tokens; t++) squares += mask[t] * (double(x[t]) - mean) * (double(x[t]) - mean);
    const float inverse = static_cast<float>(1.0 / std::sqrt(squares / count + kLeastVariance));
    for (int64_t t = 0; t < tokens; t++)
      out[list * tokens + t] = (x[t] - mean) * inverse * attributes.f[0] + attributes.f[1];
    means[list] = mean;
    inverses[list] = inverse;
  });
}

// Inputs: scores, mask, means, inverses, dy. Output: the gradient of the scores.
void StandardiseGrad(Run& run, const Attributes& attributes) {
  const int64_t batch = run.Dim(0, 0), heads = run.Dim(0, 1), tokens = run.Dim(0, 2);
  const float *scores = run.In(0), *masks = run.In(1), *means = run.In(2), *inverses = run.In(3), *dy = run.In(4);
  float* dx = run.OutLike(0, 0);
  ParallelFor(batch * heads, [&](int64_t list) {
    const int64_t at = list * tokens;
    const float *x = scores + at, *slope = dy + at, *mask = masks + list / heads * tokens;
    const double mean = means[list], inverse = inverses[list];
    double count = 0, along = 0, sum = 0;
    for (int64_t t = 0; t < tokens; t++) count += mask[t], along += slope[t] * (x[t] - mean);
    count = std::max(count, 1.0);
    const double bend = along * inverse * inverse * inverse / count;
    const auto centred = [&](int64_t t) { return attributes.f[0] * (slope[t] * inverse - mask[t] * (x[t] - mean) * bend); };
    for (int64_t t = 0; t < tokens; t++) sum += centred(t);
    for (int64_t t = 0; t < tokens; t++) dx[at + t] = static_cast<float>(centred(t) - mask[t] * sum / count);
  });
}

// Rows [batch, heads, tokens, width], and a factor of each [batch, heads or 1, tokens, 1].
struct Rows {
  int64_t batch, heads, tokens, width, lists;
  explicit Rows(Run& run)
      : batch(run.Dim(0, 0)), heads(run.Dim(0, 1)), tokens(run.Dim(0, 2)), width(run.Dim(0, 3)), lists(run.Dim(1, 1)) {}
  int64_t Factor(int64_t list, int64_t t) const { return (lists == 1 ? list / heads : list) * tokens + t; }
};

// Inputs: rows, factors. Output: each row times its factor.
void ScaleRows(Run& run, const Attributes&) {
  const Rows r(run);
  const float *x = run.In(0), *factors = run.In(1);
  float* y = run.OutLike(0, 0);
  ParallelFor(r.batch * r.heads, [&](int64_t list) {
    for (int64_t t = 0; t < r.tokens; t++) {
      const int64_t at = (list * r.tokens + t) * r.width;
      const float factor = factors[r.Factor(list, t)];
      for (int64_t i = at; i < at + r.width; i++) y[i] = x[i] * factor;
    }
  });
}

// Inputs: rows, factors, dy. Outputs: the gradients of rows and of factors.
void ScaleRowsGrad(Run& run, const Attributes&) {
  const Rows r(run);
  const float *x = run.In(0), *factors = run.In(1), *dy = run.In(2);
  float *dx = run.OutLike(0, 0), *dfactors = run.OutLike(1, 1);
  std::fill_n(dfactors, r.batch * r.lists * r.tokens, 0.0f);
  // All heads of a sequence in one place: they may share factors.
  ParallelFor(r.batch, [&](int64_t b) {
    for (int64_t list = b * r.heads; list < (b + 1) * r.heads; list++)
      for (int64_t t = 0; t < r.tokens; t++) {
        const int64_t at = (list * r.tokens + t) * r.width, factor = r.Factor(list, t);
        float sum = 0;
        for (int64_t i = at; i < at + r.width; i++) {
          dx[i] = dy[i] * factors[factor];
          sum += dy[i] * x[i];
        }
        dfactors[factor] += sum;
      }
  });
}

const Registered standardise({"KvdStandardise",
                              {"scores: float", "mask: float"},
                              {"y: float", "means: float", "inverses: float"},
                              {"spread", "bias"},
                              {},
                              Standardise});
const Registered standardise_grad(
    {"KvdStandardiseGrad",
     {"scores: float", "mask: float", "means: float", "inverses: float", "dy: float"},
     {"dscores: float"},
     {"spread", "bias"},
     {},
     StandardiseGrad});
const Registered scale_rows(
    {"KvdScaleRows", {"rows: float", "factors: float"}, {"y: float"}, {}, {}, ScaleRows});
const Registered scale_rows_grad({"KvdScaleRowsGrad",
                                  {"rows: float", "factors: float", "dy: float"},
                                  {"drows: float", "dfactors: float"},
                                  {},
                                  {},
                                  ScaleRowsGrad});

}  // namespace
}  // namespace kvd
