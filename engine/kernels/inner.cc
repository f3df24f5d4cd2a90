#include "inner.h"

namespace kvd {

const Inner& inner() {
  static const Inner& chosen = [&]() -> const Inner& {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
      return kInnerAvx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kInnerAvx2;
    return kInnerBase;
  }();
  return chosen;
}

}  // namespace kvd
