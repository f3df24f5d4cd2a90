// The inner loops themselves; see inner.h. Included once for each instruction set.
#include "inner.h"

#include "lanes.h"
// Order matters: products.h and the rest stand on lanes.h.
#include "products.h"
#include "panels.h"
#include "rows.h"
#include "gated.h"
#include "attention_block.h"
#include "divergence.h"
#include "few_rows.h"

namespace kvd {
namespace {

void AdamW(int64_t count, const float* settings, const float* parameter, const float* gradient, float* first,
           float* second, float* new_parameter) {
  const float beta1 = settings[0], rest1 = settings[1], beta2 = settings[2], rest2 = settings[3];
  const float epsilon = settings[4], correction2 = settings[5], step = settings[6], kept = settings[7];
  const float clipped = settings[8];
  for (int64_t i = 0; i < count; i += kLanes) {
    const int some = count - i < kLanes ? static_cast<int>(count - i) : kLanes;
    const vf slope = LoadSome(gradient + i, some) * clipped;
    const vf m = LoadSome(first + i, some) * beta1 + slope * rest1;
    const vf v = LoadSome(second + i, some) * beta2 + (slope * slope) * rest2;
    StoreSome(first + i, m, some);
    StoreSome(second + i, v, some);
    const vf moved = m / (Root(v) / correction2 + epsilon) * step;
    StoreSome(new_parameter + i, LoadSome(parameter + i, some) * kept - moved, some);
  }
}

double Squares(const float* x, int64_t count) {
  // Chains of additions that do not wait for each other.
  double sums[kLanes] = {};
  for (int64_t i = 0; i < count; i += kLanes) {
    const vf some = LoadSome(x + i, count - i < kLanes ? static_cast<int>(count - i) : kLanes);
    for (int j = 0; j < kLanes; j++) sums[j] += double(some[j]) * some[j];
  }
  double sum = 0;
  for (int j = 0; j < kLanes; j++) sum += sums[j];
  return sum;
}

}  // namespace

const Inner KVD_INNER = {
    Padded,       NormForward,       NormAgain,    NormGainGradient, NormInputGradient, AddRows,
    Rotate,       RotateBack,        GateForward,  GateBackward,     Pack,              Attend,
    AttendFew,    AttendBackward,    AddProduct,   kPanel,           PackPanel<kPanel>, kTall,
    PackPanel<kTall>, kTallFetched,  AddTall,      KVD_TILE_ROWS,    PackRows,          Multiply,
    ProductOfTiles, GatedForward,    GatedBackward, MixedKl,         CrossEntropy,      AdamW,
    Squares,      FewRows,           FewDots,      SoftCap};

}  // namespace kvd
