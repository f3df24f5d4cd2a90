// AdamW over all parameters at once, and the joint norm of their gradients.
#include <algorithm>
#include <numeric>
#include <vector>

#include "inner.h"
#include "op.h"
#include "pool.h"

namespace kvd {
namespace {

// Numbers that one thread updates at a time.
constexpr int64_t kPiece = 1 << 14;

// A part of one of several tensors.
struct Piece {
  int tensor;
  int64_t first, count;
};

// The `n` inputs from number `input` on, piece by piece.
std::vector<Piece> PiecesOf(Run& run, int input, int n) {
  std::vector<Piece> pieces;
  for (int t = 0; t < n; t++)
    for (int64_t size = run.Size(input + t), first = 0; first < size; first += kPiece)
      pieces.push_back({t, first, std::min(kPiece, size - first)});
  return pieces;
}

// Inputs: settings [9] (beta1, 1 - beta1, beta2, 1 - beta2, epsilon, root of the second correction, rate over the first
// correction, share of the parameters that decay leaves, factor on the gradients), then N each of parameters, first and second moments,
// gradients. Outputs: N new parameters; moments are updated where they stand.
void AdamW(Run& run, const Attributes&) {
  const float* settings = run.In(0);
  const int n = (run.Inputs() - 1) / 4;
  std::vector<const float*> parameters, gradients;
  std::vector<float*> first, second, updated;
  for (int t = 0; t < n; t++) {
    parameters.push_back(run.In(1 + t));
    first.push_back(run.InPlace(1 + n + t));
    second.push_back(run.InPlace(1 + 2 * n + t));
    gradients.push_back(run.In(1 + 3 * n + t));
    updated.push_back(run.OutLike(t, 1 + t));
  }
  const std::vector<Piece> pieces = PiecesOf(run, 1, n);
  ParallelFor(static_cast<int64_t>(pieces.size()), [&](int64_t i) {
    const auto [t, at, count] = pieces[i];
    inner().adamw(count, settings, parameters[t] + at, gradients[t] + at, first[t] + at, second[t] + at,
                  updated[t] + at);
  });
}

void Squares(Run& run, const Attributes&) {
  const std::vector<Piece> pieces = PiecesOf(run, 0, run.Inputs());
  std::vector<const float*> tensors;
  for (int t = 0; t < run.Inputs(); t++) tensors.push_back(run.In(t));
  std::vector<double> sums(pieces.size());
  ParallelFor(static_cast<int64_t>(pieces.size()), [&](int64_t i) {
    const auto [t, at, count] = pieces[i];
    sums[i] = inner().squares(tensors[t] + at, count);
  });
  *run.Out(0, {}) = static_cast<float>(std::accumulate(sums.begin(), sums.end(), 0.0));
}

const Registered adamw(
    {"KvdAdamW",
     {"settings: float", "parameters: N * float", "first: N * float", "second: N * float", "gradients: N * float"},
     {"new_parameters: N * float"},
     {},
     {},
     AdamW});
const Registered squares({"KvdSquares", {"x: N * float"}, {"sum: float"}, {}, {}, Squares});

}  // namespace
}  // namespace kvd
