// Products with a large matrix, which is packed once so that its numbers are read in the order in which they stand.

namespace kvd {
namespace {

// Columns that stand together.
constexpr int kPanel = 2 * kLanes;
// Depth that is packed at once, so that what is written stays in the cache.
constexpr int kPackedDepth = 16;
// Depth up to which a panel stays in a core's smallest cache.
constexpr int kShallow = 256;
// Depth of all panels that stay in the next one together.
constexpr int kTogether = 384 * 1024 / (4 * kPanel);

// Columns of a panel whose columns become rows of a product: those of two tiles.
constexpr int kTall = 2 * KVD_TILE_ROWS;

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
  for (int first = 0; first < depth; first += kPackedDepth) {
    const int end = depth - first < kPackedDepth ? depth : first + kPackedDepth;
    for (int n = 0; n < columns; n++) {
      const float* from = b + n * b_column;
      float* to = panel + n;
      if (b_row == 1)
        for (int k = first; k < end; k++) to[k * kWidth] = from[k];
      else
        for (int k = first; k < end; k++) to[k * kWidth] = from[k * b_row];
    }
    for (int n = columns; n < kWidth; n++)
      for (int k = first; k < end; k++) panel[k * kWidth + n] = 0.0f;
  }
}

// A product with the panel's first `width` columns.
inline void MultiplyPanel(int rows, int width, int depth, const float* a, int64_t a_row, const float* panel, float* c,
                          int64_t c_row, bool add) {
  if (width == kPanel && !add) {
    Product(rows, kPanel, depth, a, a_row, 1, panel, kPanel, c, c_row, false);
    return;
  }
  // Sums are added to C when they are whole: what stands there may be large beside each of their terms.
  float sums[KVD_TILE_ROWS * kPanel];
  for (int m = 0; m < rows; m += KVD_TILE_ROWS) {
    const int count = rows - m < KVD_TILE_ROWS ? rows - m : KVD_TILE_ROWS;
    Product(count, kPanel, depth, a + m * a_row, a_row, 1, panel, kPanel, sums, kPanel, false);
    for (int r = 0; r < count; r++) {
      float* to = c + (m + r) * c_row;
      for (int i = 0; i < width; i++) to[i] = add ? to[i] + sums[r * kPanel + i] : sums[r * kPanel + i];
    }
  }
}

void Multiply(int rows, int columns, int depth, const float* a, int64_t a_row, const float* panels, float* c,
              int64_t c_row, bool add) {
  // A panel that fits into the smallest cache stays there for all rows. Of deeper ones some together stay in the next,
  // and a tile's rows are read once for all of these.
  const bool shallow = depth <= kShallow;
  const int group = shallow ? kPanel : kPanel * (kTogether / depth > 1 ? kTogether / depth : 1);
  const int height = shallow ? rows : KVD_TILE_ROWS;
  for (int from = 0; from < columns; from += group) {
    const int to = columns - from < group ? columns : from + group;
    for (int m = 0; m < rows; m += height) {
      const int count = rows - m < height ? rows - m : height;
      for (int n = from; n < to; n += kPanel)
        MultiplyPanel(count, columns - n < kPanel ? columns - n : kPanel, depth, a + m * a_row, a_row,
                      panels + int64_t(n) * depth, c + m * c_row + n, c_row, add);
    }
  }
}

}  // namespace
}  // namespace kvd
