// Losses of rows of logits, and their gradients.

namespace kvd {
namespace {

// Logarithm of the sum of a row's exponentials.
float LogSum(const float* x, int count) {
  vf highest = Fill(x[0]);
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) highest = Most(highest, Load(x + i));
  float most = Greatest(highest);
  for (; i < count; i++) most = x[i] > most ? x[i] : most;
  vf sums{};
  for (i = 0; i + kLanes <= count; i += kLanes) sums += Exp(Load(x + i) - most);
  float sum = Sum(sums);
  for (; i < count; i++) sum += Exp(Fill(x[i] - most))[0];
  return most + logf(sum);
}

float MixedKl(const float* teacher, const float* student, int count, float share, float forward_weight,
              float* slope) {
  const float teacher_sum = LogSum(teacher, count), student_sum = LogSum(student, count);
  const float reverse_weight = 1.0f - forward_weight;
  vf forward{}, reverse{};
  for (int i = 0; i < count; i += kLanes) {
    const int some = count - i;
    const vf log_p = LoadSome(teacher + i, some) - teacher_sum, log_q = LoadSome(student + i, some) - student_sum;
    const vf p = Exp(log_p), q = Exp(log_q), gap = log_q - log_p;
    vf forward_terms = p * gap, reverse_terms = q * gap;
    for (int lane = some; lane < kLanes; lane++) forward_terms[lane] = reverse_terms[lane] = 0.0f;
    forward -= forward_terms;
    reverse += reverse_terms;
    StoreSome(slope + i, forward_weight * (q - p) + reverse_weight * reverse_terms, some);
  }
  const float backward = Sum(reverse);
  for (int i = 0; i < count; i += kLanes) {
    const int some = count - i;
    const vf q = Exp(LoadSome(student + i, some) - student_sum);
    StoreSome(slope + i, (LoadSome(slope + i, some) - reverse_weight * backward * q) * share, some);
  }
  return (forward_weight * Sum(forward) + reverse_weight * backward) * share;
}

float CrossEntropy(const float* logits, int count, int label, float share, float* slope) {
  const float sum = LogSum(logits, count);
  for (int i = 0; i < count; i += kLanes) {
    const int some = count - i;
    StoreSome(slope + i, Exp(LoadSome(logits + i, some) - sum) * share, some);
  }
  slope[label] -= share;
  return (sum - logits[label]) * share;
}

}  // namespace
}  // namespace kvd
