// What is done to each row of activations by itself: RMSNorm and gated activations.

namespace kvd {
namespace {

void NormForward(const float* x, const float* gain, float eps, int64_t rows, int width, float* y, float* inverse) {
  for (int64_t r = 0; r < rows; r++, x += width, y += width) {
    vf squares{};
    int i = 0;
    for (; i + kLanes <= width; i += kLanes) squares += Load(x + i) * Load(x + i);
    float sum = Sum(squares);
    for (; i < width; i++) sum += x[i] * x[i];
    const float scale = 1.0f / sqrtf(sum / width + eps);
    inverse[r] = scale;
    for (i = 0; i < width; i++) y[i] = x[i] * scale * gain[i];
  }
}

// How much of a row's gradient before the norm lies along the row, for `scale` its norm's factor.
inline float Along(const float* x, const float* gain, float scale, const float* dy, int width) {
  vf products{};
  int i = 0;
  for (; i + kLanes <= width; i += kLanes) products += Load(dy + i) * Load(gain + i) * Load(x + i);
  float sum = Sum(products);
  for (; i < width; i++) sum += dy[i] * gain[i] * x[i];
  return sum * scale * scale / width;
}

// What norm_forward made of x, once more.
void NormAgain(const float* x, const float* gain, const float* inverse, int64_t rows, int width, float* y) {
  for (int64_t r = 0; r < rows; r++, x += width, y += width)
    for (int i = 0; i < width; i++) y[i] = x[i] * inverse[r] * gain[i];
}

// Adds the gradient of the gain.
void NormGainGradient(const float* x, const float* inverse, const float* dy, int64_t rows, int width,
                      float* gain_gradient) {
  for (int64_t r = 0; r < rows; r++, x += width, dy += width)
    for (int i = 0; i < width; i++) gain_gradient[i] += dy[i] * x[i] * inverse[r];
}

// The gradient of what norm_forward made of x alone, on top of `straight`, which went past the norm, if that is given.
void NormInputGradient(const float* x, const float* gain, const float* inverse, const float* dy, int64_t rows,
                       int width, const float* straight, float* dx) {
  for (int64_t r = 0; r < rows; r++, x += width, dy += width, dx += width) {
    const float scale = inverse[r];
    const float along = Along(x, gain, scale, dy, width);
    for (int i = 0; i < width; i += kLanes) {
      const int count = width - i;
      vf slope = (LoadSome(dy + i, count) * LoadSome(gain + i, count) - LoadSome(x + i, count) * along) * scale;
      if (straight != nullptr) slope += LoadSome(straight + r * width + i, count);
      StoreSome(dx + i, slope, count);
    }
  }
}

void AddRows(const float* a, const float* b, int64_t count, float* y) {
  for (int64_t i = 0; i < count; i++) y[i] = a[i] + b[i];
}

// A product that is rounded before it is added to anything.
inline vf Rounded(vf product) {
  asm("" : "+x"(product));
  return product;
}

void Rotate(const float* x, const float* cos, const float* signed_sin, int width, float* y) {
  const int half = width / 2;
  for (int i = 0; i < half; i += kLanes) {
    const int count = half - i;
    const vf first = LoadSome(x + i, count), second = LoadSome(x + half + i, count);
    const vf early = Rounded(first * LoadSome(cos + i, count)) + Rounded(second * LoadSome(signed_sin + i, count));
    const vf late = Rounded(second * LoadSome(cos + half + i, count)) +
                    Rounded(first * LoadSome(signed_sin + half + i, count));
    StoreSome(y + i, early, count);
    StoreSome(y + half + i, late, count);
  }
}

void RotateBack(const float* dy, const float* cos, const float* signed_sin, int width, float* dx) {
  const int half = width / 2;
  for (int i = 0; i < half; i += kLanes) {
    const int count = half - i;
    const vf first = LoadSome(dy + i, count), second = LoadSome(dy + half + i, count);
    const vf early = Rounded(first * LoadSome(cos + i, count)) +
                     Rounded(second * LoadSome(signed_sin + half + i, count));
    const vf late = Rounded(second * LoadSome(cos + half + i, count)) +
                    Rounded(first * LoadSome(signed_sin + i, count));
    StoreSome(dx + i, early, count);
    StoreSome(dx + half + i, late, count);
  }
}

constexpr float kGeluScale = 0.7978845608028654f;  // sqrt(2 / pi)
constexpr float kGeluCubic = 0.044715f;

// activation(gate) · up; gelu: tanh's approximation, else silu.
inline vf Gated(vf gate, vf up, bool gelu) {
  const vf share = gelu ? 0.5f * (1.0f + Tanh(kGeluScale * (gate + kGeluCubic * gate * gate * gate)))
                        : Sigmoid(gate);
  return gate * share * up;
}

// Gradients of gate and up in that of what `Gated` made of them, and that once more.
struct GateSlopes {
  vf gate, up, gated;

  inline __attribute__((always_inline)) GateSlopes(vf g, vf u, vf slope, bool gelu) {
    vf share, bend;
    if (gelu) {
      const vf tanh = Tanh(kGeluScale * (g + kGeluCubic * g * g * g));
      share = 0.5f * (1.0f + tanh);
      bend = 0.5f * (1.0f - tanh * tanh) * kGeluScale * (1.0f + 3.0f * kGeluCubic * g * g);
    } else {
      share = Sigmoid(g);
      bend = share * (1.0f - share);
    }
    gate = slope * u * (share + g * bend);
    up = slope * g * share;
    gated = g * share * u;
  }
};

void GateForward(const float* gate_up, int64_t rows, int width, bool gelu, float* y) {
  for (int64_t r = 0; r < rows; r++, gate_up += 2 * width, y += width)
    for (int i = 0; i < width; i += kLanes) {
      const int count = width - i;
      StoreSome(y + i, Gated(LoadSome(gate_up + i, count), LoadSome(gate_up + width + i, count), gelu), count);
    }
}

void GateBackward(const float* gate_up, const float* dy, int64_t rows, int width, bool gelu, float* gradient) {
  for (int64_t r = 0; r < rows; r++, gate_up += 2 * width, gradient += 2 * width, dy += width)
    for (int i = 0; i < width; i += kLanes) {
      const int count = width - i;
      const GateSlopes slopes(LoadSome(gate_up + i, count), LoadSome(gate_up + width + i, count),
                              LoadSome(dy + i, count), gelu);
      StoreSome(gradient + i, slopes.gate, count);
      StoreSome(gradient + width + i, slopes.up, count);
    }
}

}  // namespace
}  // namespace kvd
