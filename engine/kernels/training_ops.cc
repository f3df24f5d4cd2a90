// AdamW over all parameters at once, and the joint norm of their gradients.
#include <algorithm>
#include <vector>

#include "inner.h"
#include "op.h"
#include "pool.h"

namespace kvd {
namespace {

// Numbers that one thread updates at a time.
constexpr int64_t kPiece = 1 << 14;

// Inputs: settings [9] (beta1, 1 - beta1, beta2, 1 - beta2, epsilon, root of the second correction, rate over the first
// correction, share of the parameters that decay leaves, factor on the gradients), then N each of parameters, first and second moments,
// gradients. Outputs: N each of new parameters and moments.
void AdamW(Run& run, const Attributes&) {
  const float* settings = run.In(0);
  const int n = (run.Inputs() - 1) / 4;
  for (int p = 0; p < n; p++) {
    const float *parameter = run.In(1 + p), *first = run.In(1 + n + p), *second = run.In(1 + 2 * n + p);
    const float* gradient = run.In(1 + 3 * n + p);
    float *new_parameter = run.OutLike(p, 1 + p), *new_first = run.OutLike(n + p, 1 + p);
    float* new_second = run.OutLike(2 * n + p, 1 + p);
    const int64_t size = run.Size(1 + p);
    ParallelFor(Parts(size, kPiece), [&](int64_t piece) {
      const int64_t at = piece * kPiece;
      inner().adamw(std::min(kPiece, size - at), settings, parameter + at, first + at, second + at, gradient + at,
                    new_parameter + at, new_first + at, new_second + at);
    });
  }
}

void Squares(Run& run, const Attributes&) {
  double sum = 0;
  for (int p = 0; p < run.Inputs(); p++) {
    const float* x = run.In(p);
    const int64_t size = run.Size(p);
    std::vector<double> sums(Parts(size, kPiece));
    ParallelFor(static_cast<int64_t>(sums.size()), [&](int64_t piece) {
      double own = 0;
      for (int64_t i = piece * kPiece; i < std::min(size, (piece + 1) * kPiece); i++) own += double(x[i]) * x[i];
      sums[piece] = own;
    });
    for (double own : sums) sum += own;
  }
  *run.Out(0, {}) = static_cast<float>(sum);
}

const Registered adamw(
    {"KvdAdamW",
     {"settings: float", "parameters: N * float", "first: N * float", "second: N * float", "gradients: N * float"},
     {"new_parameters: N * float", "new_first: N * float", "new_second: N * float"},
     {},
     {},
     AdamW});
const Registered squares({"KvdSquares", {"x: N * float"}, {"sum: float"}, {}, {}, Squares});

}  // namespace
}  // namespace kvd
