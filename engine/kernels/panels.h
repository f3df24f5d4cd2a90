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
  if (b_row == 1) {
    Turn(columns, depth, [&](int n) { return b + n * b_column; }, panel, kWidth);
  } else {
    for (int k = 0; k < depth; k++)
      for (int n = 0; n < columns; n++) panel[k * kWidth + n] = b[k * b_row + n * b_column];
  }
  for (int k = 0; k < depth && columns < kWidth; k++)
    for (int n = columns; n < kWidth; n++) panel[k * kWidth + n] = 0.0f;
}

// A's rows as tiles [tiles, depth, KVD_TILE_ROWS]; behind the last row stands anything.
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

// What AddTall fetches ahead, in floats for each step of depth.
constexpr int kTallFetched = 2 * kLine / kFetched;

// C[height, kPanel] += A · panel, where A's columns [depth, kTall] are packed as a panel, too.
void AddTall(int height, int depth, const float* a, const float* panel, float* c, int64_t c_row, const float* next) {
  for (int m = 0; m < height; m += KVD_TILE_ROWS, next += depth / kFetched * kLine)
    PackedTile<kTall>(height - m, depth, a + m, panel, c + m * c_row, c_row, true, next);
}

// C[rows, columns] (+)= A · B, where A is `depth` columns of what was packed by PackRows, which has `whole` of them.
void ProductOfTiles(int rows, int columns, int depth, const float* tiles, int64_t whole, const float* b, int64_t b_row,
                    float* c, int64_t c_row, bool add) {
  for (int m = 0; m < rows; m += KVD_TILE_ROWS)
    Product<1, KVD_TILE_ROWS>(rows - m < KVD_TILE_ROWS ? rows - m : KVD_TILE_ROWS, columns, depth, tiles + m * whole, 1,
                              KVD_TILE_ROWS, b, b_row, c + m * c_row, c_row, add);
}

// C[rows, kPanel] = A · panel, where A is packed by PackRows. Fetches what stands behind the panel.
inline void PanelProduct(int rows, int depth, const float* tiles, const float* panel, float* c, int64_t c_row) {
  for (int k = 0; k < depth; k += kDepth) {
    const int some = depth - k < kDepth ? depth - k : kDepth;
    const float *part = panel + int64_t(k) * kPanel, *next = part + int64_t(some) * kPanel;
    for (int m = 0; m < rows; m += KVD_TILE_ROWS, next += some / kFetched * kLine)
      PackedTile<KVD_TILE_ROWS>(rows - m, some, tiles + int64_t(m) * depth + k * KVD_TILE_ROWS, part, c + m * c_row,
                                c_row, k > 0, next);
  }
}

void Multiply(int rows, int columns, int depth, const float* tiles, const float* panels, const float* plus, float* c,
              int64_t c_row) {
  float* strip = Scratch(int64_t(rows) * kPanel);
  for (int n = 0; n < columns; n += kPanel) {
    const int width = columns - n < kPanel ? columns - n : kPanel;
    const float* panel = panels + int64_t(n) * depth;
    if (plus == nullptr && width == kPanel) {
      PanelProduct(rows, depth, tiles, panel, c + n, c_row);
      continue;
    }
    // Sums are added when they are whole: what they are added to may be large beside each of their terms.
    PanelProduct(rows, depth, tiles, panel, strip, kPanel);
    for (int m = 0; m < rows; m++) {
      const int64_t at = m * c_row + n;
      for (int i = 0; i < width; i += kLanes) {
        const vf sum = Load(strip + m * kPanel + i);
        StoreSome(c + at + i, plus != nullptr ? LoadSome(plus + at + i, width - i) + sum : sum, width - i);
      }
    }
  }
  free(strip);
}

}  // namespace
}  // namespace kvd
