#pragma GCC target("avx2,fma")
#define KVD_LANES 8
#define KVD_TILE_ROWS 6
#define KVD_INNER kInnerAvx2
#include "loops.h"
