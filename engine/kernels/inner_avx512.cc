#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
#define KVD_LANES 16
#define KVD_TILE_ROWS 8
#define KVD_INNER kInnerAvx512
#include "loops.h"
