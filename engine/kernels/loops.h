// The inner loops themselves; see inner.h. Included once for each instruction set.
#include "inner.h"

#include "lanes.h"
// Order matters: products.h and the rest stand on lanes.h.
#include "products.h"
#include "rows.h"
#include "attention_block.h"

namespace kvd {
namespace {

void AdamW(int64_t count, const float* settings, const float* parameter, const float* first, const float* second,
           const float* gradient, float* new_parameter, float* new_first, float* new_second) {
  const float beta1 = settings[0], beta2 = settings[1], epsilon = settings[2], correction2 = settings[3];
  const float step = settings[4], kept = settings[5], share = settings[6];
  for (int64_t i = 0; i < count; i++) {
    const float g = gradient[i] * share;
    const float m = first[i] * beta1 + g * (1.0f - beta1);
    const float v = second[i] * beta2 + (g * g) * (1.0f - beta2);
    new_first[i] = m;
    new_second[i] = v;
    new_parameter[i] = parameter[i] * kept - m / (sqrtf(v) / correction2 + epsilon) * step;
  }
}

}  // namespace

const Inner KVD_INNER = {Padded,      NormForward, NormBackward, GateForward, GateBackward,
                         Pack,        Attend,      AttendBackward, AdamW};

}  // namespace kvd
