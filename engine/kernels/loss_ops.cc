// Losses over rows of logits, with their gradients.
#include <vector>

#include "inner.h"
#include "op.h"
#include "pool.h"

namespace kvd {
namespace {

float Total(const std::vector<float>& values) {
  double sum = 0;
  for (float own : values) sum += own;
  return static_cast<float>(sum);
}

// Inputs: the teacher's and the student's logits [rows, vocabulary], shares [rows]. Outputs: the sum over rows of
// share · (λ·KL(p‖q) + (1 − λ)·KL(q‖p)), p = teacher, and its gradient in the student's logits.
void MixedKl(Run& run, const Attributes& attributes) {
  const int64_t rows = run.Dim(0, 0), vocabulary = run.Dim(0, 1);
  const float *teacher = run.In(0), *student = run.In(1), *shares = run.In(2);
  float *value = run.Out(0, {}), *slope = run.OutLike(1, 1);
  std::vector<float> values(rows);
  ParallelFor(rows, [&](int64_t row) {
    const int64_t at = row * vocabulary;
    values[row] = inner().mixed_kl(teacher + at, student + at, static_cast<int>(vocabulary), shares[row],
                                   attributes.f[0], slope + at);
  });
  *value = Total(values);
}

// Inputs: logits [rows, vocabulary], labels and shares [rows]. Outputs: the sum over rows of share · cross entropy, and
// its gradient in the logits.
void CrossEntropy(Run& run, const Attributes&) {
  const int64_t rows = run.Dim(0, 0), vocabulary = run.Dim(0, 1);
  const float *logits = run.In(0), *labels = run.In(1), *shares = run.In(2);
  for (int64_t row = 0; row < rows; row++)
    if (!(labels[row] >= 0 && labels[row] < vocabulary)) return run.Fail("a label is no row of the vocabulary");
  float *value = run.Out(0, {}), *slope = run.OutLike(1, 0);
  std::vector<float> values(rows);
  ParallelFor(rows, [&](int64_t row) {
    const int64_t at = row * vocabulary;
    values[row] = inner().cross_entropy(logits + at, static_cast<int>(vocabulary), static_cast<int>(labels[row]),
                                        shares[row], slope + at);
  });
  *value = Total(values);
}

const Registered cross_entropy({"KvdCrossEntropy",
                                {"logits: float", "labels: float", "shares: float"},
                                {"value: float", "slope: float"},
                                {},
                                {},
                                CrossEntropy});
const Registered mixed_kl({"KvdMixedKl",
                           {"teacher: float", "student: float", "shares: float"},
                           {"value: float", "slope: float"},
                           {"forward_weight"},
                           {},
                           MixedKl});

}  // namespace
}  // namespace kvd
