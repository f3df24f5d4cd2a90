// Products with a large matrix, which is packed once so that its numbers are read in the order in which they stand.

namespace kvd {
namespace {

// Columns that stand together.
constexpr int kPanel = 2 * kLanes;
// Floats of a line of the cache.
constexpr int kLine = 16;
// Depth that is packed at once, so that what is written stays in the cache.
constexpr int kPackedDepth = 16;
// Depth of a product that is done at once: so much of a panel stays in a core's smallest cache.
constexpr int kDepth = 256;
// Steps of depth for each line that is fetched ahead: a panel comes while eight tiles are multiplied by the one before.
constexpr int kFetched = 4;

// Columns of a panel whose columns become rows of a product: those of two tiles.
constexpr int kTall = 2 * KVD_TILE_ROWS;

// Rows become columns: to[k * to_row + r] = row(r)[k].
template <typename RowOf>
inline void Turn(int rows, int depth, const RowOf& row, float* to, int to_row) {
  // Squares of as many numbers turn in registers.
  constexpr int kSquare = 4;
  for (int first = 0; first < depth; first += kPackedDepth) {
    const int end = depth - first < kPackedDepth ? depth : first + kPackedDepth;
    int r = 0;
    for (; r + kSquare <= rows; r += kSquare) {
      const float* from[kSquare];
      for (int i = 0; i < kSquare; i++) from[i] = row(r + i);
      int k = first;
      for (; k + kSquare <= end; k += kSquare) {
        __m128 square[kSquare];
        for (int i = 0; i < kSquare; i++) square[i] = _mm_loadu_ps(from[i] + k);
        _MM_TRANSPOSE4_PS(square[0], square[1], square[2], square[3]);
        for (int i = 0; i < kSquare; i++) _mm_storeu_ps(to + (k + i) * to_row + r, square[i]);
      }
      for (; k < end; k++)
        for (int i = 0; i < kSquare; i++) to[k * to_row + r + i] = from[i][k];
    }
    for (; r < rows; r++)
      for (int k = first; k < end; k++) to[k * to_row + r] = row(r)[k];
  }
}

template <int kWidth>
void PackPanel(const float* b, int64_t b_row, int64_t b_column, int depth, int columns, float* panel) {
  if (b_column == 1 && columns == kWidth) {
    for (int k = 0; k < depth; k++, b += b_row, panel += kWidth) {
      int n = 0;
      for (; n + kLanes <= kWidth; n += kLanes) Store(panel + n, Load(b + n));
      for (; n < kWidth; n++) panel[n] = b[n];
    }
    return;
  }
  if (b_row == 1) Turn(columns, depth, [&](int n) { return b + n * b_column; }, panel, kWidth);
  for (int k = 0; k < depth; k++) {
    for (int n = 0; n < columns && b_row != 1; n++) panel[k * kWidth + n] = b[k * b_row + n * b_column];
    for (int n = columns; n < kWidth; n++) panel[k * kWidth + n] = 0.0f;
  }
}

// A's rows as [tiles, depth, KVD_TILE_ROWS]; behind the last row stands anything.
void PackRows(int rows, int depth, const float* a, int64_t a_row, float* packed) {
  for (int m = 0; m < rows; m += KVD_TILE_ROWS, packed += int64_t(depth) * KVD_TILE_ROWS)
    Turn(rows - m < KVD_TILE_ROWS ? rows - m : KVD_TILE_ROWS, depth,
         [&](int r) { return a + (m + r) * a_row; }, packed, KVD_TILE_ROWS);
}

// C[rows, kPanel] (+)= A · panel for at most a tile's rows; A(i, k) stands at a[k * kColumn + i]. Fetches what will be
// needed from `next` on.
template <int kColumn>
inline void PackedTile(int rows, int depth, const float* a, const float* panel, float* c, int64_t c_row, bool add,
                       const float* next) {
  if (rows < KVD_TILE_ROWS) {
    Product<1, kColumn>(rows, kPanel, depth, a, 1, kColumn, panel, kPanel, c, c_row, add);
    return;
  }
  Sums<KVD_TILE_ROWS, 2> sums(c, c_row, add);
  int k = 0;
  for (; k + kFetched <= depth; k += kFetched, next += kLine) {
    __builtin_prefetch(next, 0, 2);
    for (int i = k; i < k + kFetched; i++) sums.Add(a + i * kColumn, 1, panel + i * kPanel);
  }
  for (; k < depth; k++) sums.Add(a + k * kColumn, 1, panel + k * kPanel);
  sums.Put(c, c_row);
}

// C[height, kPanel] += A · panel, where A's columns [depth, kTall] are packed as a panel, too.
void AddTall(int height, int depth, const float* a, const float* panel, float* c, int64_t c_row) {
  for (int m = 0; m < height; m += KVD_TILE_ROWS)
    PackedTile<kTall>(height - m, depth, a + m, panel, c + m * c_row, c_row, true, panel + int64_t(depth) * kPanel);
}

// C[rows, columns] (+)= A · B, where A is packed by PackRows, whose tiles begin `depth` columns apart.
inline void PackedProduct(int rows, int columns, int depth, const float* packed, const float* b, int64_t b_row,
                          float* c, int64_t c_row, bool add) {
  for (int m = 0; m < rows; m += KVD_TILE_ROWS)
    Product<1, KVD_TILE_ROWS>(rows - m < KVD_TILE_ROWS ? rows - m : KVD_TILE_ROWS, columns, depth, packed + m * depth,
                              1, KVD_TILE_ROWS, b, b_row, c + m * c_row, c_row, add);
}

void Multiply(int rows, int columns, int depth, const float* a, int64_t a_row, const float* panels, float* c,
              int64_t c_row, bool add) {
  const int64_t whole = int64_t(rows) + KVD_TILE_ROWS;
  float *packed = Scratch(whole * (depth + kPanel)), *strip = packed + whole * depth;
  PackRows(rows, depth, a, a_row, packed);
  for (int n = 0; n < columns; n += kPanel) {
    const int width = columns - n < kPanel ? columns - n : kPanel;
    const float* panel = panels + int64_t(n) * depth;
    // Sums are added to C when they are whole: what stands there may be large beside each of their terms.
    const bool apart = add || width < kPanel;
    float* sums = apart ? strip : c + n;
    const int64_t sums_row = apart ? kPanel : c_row;
    for (int k = 0; k < depth; k += kDepth) {
      const int some = depth - k < kDepth ? depth - k : kDepth;
      const float *part = panel + int64_t(k) * kPanel, *next = part + int64_t(some) * kPanel;
      for (int m = 0; m < rows; m += KVD_TILE_ROWS, next += some / kFetched * kLine)
        PackedTile<KVD_TILE_ROWS>(rows - m, some, packed + int64_t(m) * depth + k * KVD_TILE_ROWS, part,
                                  sums + m * sums_row, sums_row, k > 0, next);
    }
    for (int m = 0; apart && m < rows; m++) {
      float* to = c + m * c_row + n;
      for (int i = 0; i < width; i += kLanes) {
        const vf sum = Load(strip + m * kPanel + i);
        StoreSome(to + i, add ? LoadSome(to + i, width - i) + sum : sum, width - i);
      }
    }
  }
  free(packed);
}

}  // namespace
}  // namespace kvd
