#define KVD_LANES 4
#define KVD_TILE_ROWS 4
#define KVD_INNER kInnerBase
#include "loops.h"
