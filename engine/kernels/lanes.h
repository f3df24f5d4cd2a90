// Vectors of KVD_LANES floats in GCC's and Clang's own syntax. No code of the standard library: the linker might
// keep the copy that was compiled for a newer processor.
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace kvd {
namespace {

typedef float vf __attribute__((vector_size(KVD_LANES * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(KVD_LANES * 4), aligned(4), may_alias));

constexpr int kLanes = KVD_LANES;

inline vf Load(const float* p) { return *reinterpret_cast<const vf*>(p); }
inline void Store(float* p, vf v) { *reinterpret_cast<vf*>(p) = v; }
inline vf Fill(float x) { return x - vf{}; }
inline vf Pick(vi mask, vf a, vf b) { return mask ? a : b; }
inline vf Most(vf a, vf b) { return a > b ? a : b; }

// Square roots, correctly rounded.
inline vf Root(vf v) {
#if KVD_LANES == 16
  return _mm512_sqrt_ps(v);
#elif KVD_LANES == 8
  return _mm256_sqrt_ps(v);
#else
  return _mm_sqrt_ps(v);
#endif
}

inline float Sum(vf v) {
  float sum = 0;
  for (int i = 0; i < kLanes; i++) sum += v[i];
  return sum;
}

// Adds the sums of vectors, each as `Sum` has it, to totals[count].
inline void AddSums(const vf* vectors, int count, float* totals) {
  constexpr int kSquare = 4;
  int r = 0;
  for (; r + kSquare <= count; r += kSquare) {
    __m128 sums = _mm_setzero_ps();
    for (int i = 0; i < kLanes; i += kSquare) {
      __m128 square[kSquare];
      for (int j = 0; j < kSquare; j++) square[j] = _mm_loadu_ps(reinterpret_cast<const float*>(vectors + r + j) + i);
      _MM_TRANSPOSE4_PS(square[0], square[1], square[2], square[3]);
      for (int j = 0; j < kSquare; j++) sums = _mm_add_ps(sums, square[j]);
    }
    _mm_storeu_ps(totals + r, _mm_add_ps(_mm_loadu_ps(totals + r), sums));
  }
  for (; r < count; r++) totals[r] += Sum(vectors[r]);
}

inline float Greatest(vf v) {
#if KVD_LANES == 16
  return _mm512_reduce_max_ps(v);
#else
  float most = v[0];
  for (int i = 1; i < kLanes; i++) most = v[i] > most ? v[i] : most;
  return most;
#endif
}

// To be freed.
inline float* Scratch(int64_t floats) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 64, floats * sizeof(float)) != 0) abort();
  return static_cast<float*>(memory);
}

inline int Padded(int width) { return (width + kLanes - 1) / kLanes * kLanes; }

// The first `count` floats, the rest zero.
inline vf LoadSome(const float* p, int count) {
  if (count >= kLanes) return Load(p);
  float some[kLanes] = {};
  for (int i = 0; i < count; i++) some[i] = p[i];
  return Load(some);
}

inline void StoreSome(float* p, vf v, int count) {
  if (count >= kLanes) {
    Store(p, v);
    return;
  }
  for (int i = 0; i < count; i++) p[i] = v[i];
}

// e^x to about an ulp (Cephes' polynomial); 0 below -87.3, clamped above 88.
inline vf Exp(vf x) {
  const vi tiny = x < -87.3f;
  x = Pick(x > 88.0f, Fill(88.0f), x);
  const vf magic = Fill(12582912.0f);
  const vf shifted = x * 1.44269504088896341f + magic;
  const vf n = shifted - magic;
  const vf r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  vf p = Fill(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r) * r + r + 1.0f;
  const vi power = (reinterpret_cast<vi>(shifted) - reinterpret_cast<vi>(magic)) << 23;
  return Pick(tiny, vf{}, reinterpret_cast<vf>(reinterpret_cast<vi>(p) + power));
}

inline vf Sigmoid(vf x) { return 1.0f / (1.0f + Exp(-x)); }

// Accurate for the arguments here: near 0 the difference from 1 loses digits, so small arguments take a series.
inline vf Tanh(vf x) {
  const vf square = x * x;
  vf series = Fill(-5.70498872745e-3f);
  series = series * square + 2.06390887954e-2f;
  series = series * square - 5.37397155531e-2f;
  series = series * square + 1.33314422036e-1f;
  series = series * square - 3.33332819422e-1f;
  series = series * square * x + x;
  const vf far = 1.0f - 2.0f / (Exp(2.0f * x) + 1.0f);
  const vf size = Pick(x < 0.0f, -x, x);
  return Pick(size < 0.625f, series, far);
}

}  // namespace
}  // namespace kvd
