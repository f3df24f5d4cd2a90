// Small matrix products, all in one form: C[m, n] += sum over k of A(m, k) · B[k, n], where A has any strides.

namespace kvd {
namespace {

template <int kRows, int kVectors>
inline __attribute__((always_inline)) void Tile(const float* a, int64_t a_row, int64_t a_depth, const float* b,
                                                int64_t b_row, int depth, float* c, int64_t c_row, bool add) {
  vf sums[kRows][kVectors];
  for (int i = 0; i < kRows; i++)
    for (int j = 0; j < kVectors; j++) sums[i][j] = add ? Load(c + i * c_row + j * kLanes) : vf{};
  for (int k = 0; k < depth; k++) {
    vf row[kVectors];
    for (int j = 0; j < kVectors; j++) row[j] = Load(b + k * b_row + j * kLanes);
    for (int i = 0; i < kRows; i++) {
      const vf factor = Fill(a[i * a_row + k * a_depth]);
      for (int j = 0; j < kVectors; j++) sums[i][j] += factor * row[j];
    }
  }
  for (int i = 0; i < kRows; i++)
    for (int j = 0; j < kVectors; j++) Store(c + i * c_row + j * kLanes, sums[i][j]);
}

template <int kRows>
inline void Stripe(const float* a, int64_t a_row, int64_t a_depth, const float* b, int64_t b_row, int columns,
                   int depth, float* c, int64_t c_row, bool add) {
  int n = 0;
  for (; n + 2 * kLanes <= columns; n += 2 * kLanes)
    Tile<kRows, 2>(a, a_row, a_depth, b + n, b_row, depth, c + n, c_row, add);
  for (; n + kLanes <= columns; n += kLanes)
    Tile<kRows, 1>(a, a_row, a_depth, b + n, b_row, depth, c + n, c_row, add);
  // Fewer columns than a vector has: tiny matrices alone.
  for (; n < columns; n++)
    for (int i = 0; i < kRows; i++) {
      float sum = add ? c[i * c_row + n] : 0.0f;
      for (int k = 0; k < depth; k++) sum += a[i * a_row + k * a_depth] * b[k * b_row + n];
      c[i * c_row + n] = sum;
    }
}

void Product(int rows, int columns, int depth, const float* a, int64_t a_row, int64_t a_depth, const float* b,
             int64_t b_row, float* c, int64_t c_row, bool add) {
  int m = 0;
  for (; m + KVD_TILE_ROWS <= rows; m += KVD_TILE_ROWS)
    Stripe<KVD_TILE_ROWS>(a + m * a_row, a_row, a_depth, b, b_row, columns, depth, c + m * c_row, c_row, add);
  for (; m + 4 <= rows && KVD_TILE_ROWS > 4; m += 4)
    Stripe<4>(a + m * a_row, a_row, a_depth, b, b_row, columns, depth, c + m * c_row, c_row, add);
  for (; m + 2 <= rows; m += 2)
    Stripe<2>(a + m * a_row, a_row, a_depth, b, b_row, columns, depth, c + m * c_row, c_row, add);
  for (; m < rows; m++)
    Stripe<1>(a + m * a_row, a_row, a_depth, b, b_row, columns, depth, c + m * c_row, c_row, add);
}

}  // namespace
}  // namespace kvd
