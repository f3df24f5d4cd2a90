// Small matrix products, all in one form: C[m, n] += sum over k of A(m, k) · B[k, n], where A has any strides.

namespace kvd {
namespace {

// Part of C that stays in registers.
template <int kRows, int kVectors>
struct Sums {
  vf sums[kRows][kVectors];

  inline __attribute__((always_inline)) Sums(const float* c, int64_t c_row, bool add) {
    for (int i = 0; i < kRows; i++)
      for (int j = 0; j < kVectors; j++) sums[i][j] = add ? Load(c + i * c_row + j * kLanes) : vf{};
  }

  // One step of depth: `a` is its column of A, `b` its row of B.
  inline __attribute__((always_inline)) void Add(const float* a, int64_t a_row, const float* b) {
    vf row[kVectors];
    for (int j = 0; j < kVectors; j++) row[j] = Load(b + j * kLanes);
    for (int i = 0; i < kRows; i++) {
      const vf factor = Fill(a[i * a_row]);
      for (int j = 0; j < kVectors; j++) sums[i][j] += factor * row[j];
    }
  }

  inline __attribute__((always_inline)) void Put(float* c, int64_t c_row) const {
    for (int i = 0; i < kRows; i++)
      for (int j = 0; j < kVectors; j++) Store(c + i * c_row + j * kLanes, sums[i][j]);
  }
};

// Strides of A that are known beforehand, kRow and kDepth unless they are 0, leave registers for the rest.
template <int kRows, int kVectors, int kRow = 0, int kDepth = 0>
inline __attribute__((always_inline)) void Tile(const float* a, int64_t a_row, int64_t a_depth, const float* b,
                                                int64_t b_row, int depth, float* c, int64_t c_row, bool add) {
  Sums<kRows, kVectors> sums(c, c_row, add);
  for (int k = 0; k < depth; k++)
    sums.Add(a + k * (kDepth != 0 ? kDepth : a_depth), kRow != 0 ? kRow : a_row, b + k * b_row);
  sums.Put(c, c_row);
}

template <int kRows, int kRow = 0, int kDepth = 0>
inline void Stripe(const float* a, int64_t a_row, int64_t a_depth, const float* b, int64_t b_row, int columns,
                   int depth, float* c, int64_t c_row, bool add) {
  int n = 0;
  for (; n + 2 * kLanes <= columns; n += 2 * kLanes)
    Tile<kRows, 2, kRow, kDepth>(a, a_row, a_depth, b + n, b_row, depth, c + n, c_row, add);
  for (; n + kLanes <= columns; n += kLanes)
    Tile<kRows, 1, kRow, kDepth>(a, a_row, a_depth, b + n, b_row, depth, c + n, c_row, add);
  // Fewer columns than a vector has: tiny matrices alone.
  for (; n < columns; n++)
    for (int i = 0; i < kRows; i++) {
      float sum = add ? c[i * c_row + n] : 0.0f;
      for (int k = 0; k < depth; k++) sum += a[i * a_row + k * a_depth] * b[k * b_row + n];
      c[i * c_row + n] = sum;
    }
}

template <int kRow = 0, int kDepth = 0>
void Product(int rows, int columns, int depth, const float* a, int64_t a_row, int64_t a_depth, const float* b,
             int64_t b_row, float* c, int64_t c_row, bool add) {
  constexpr int kTile = KVD_TILE_ROWS;
  int m = 0;
  for (; m + kTile <= rows; m += kTile)
    Stripe<kTile, kRow, kDepth>(a + m * a_row, a_row, a_depth, b, b_row, columns, depth, c + m * c_row, c_row, add);
  for (; m + 4 <= rows && kTile > 4; m += 4)
    Stripe<4, kRow, kDepth>(a + m * a_row, a_row, a_depth, b, b_row, columns, depth, c + m * c_row, c_row, add);
  for (; m + 2 <= rows; m += 2)
    Stripe<2, kRow, kDepth>(a + m * a_row, a_row, a_depth, b, b_row, columns, depth, c + m * c_row, c_row, add);
  for (; m < rows; m++)
    Stripe<1, kRow, kDepth>(a + m * a_row, a_row, a_depth, b, b_row, columns, depth, c + m * c_row, c_row, add);
}

// C[rows, columns] += A transposed · B.
void AddProduct(int rows, int columns, int depth, const float* a, int64_t a_row, const float* b, int64_t b_row,
                float* c, int64_t c_row) {
  Product<1>(rows, columns, depth, a, 1, a_row, b, b_row, c, c_row, true);
}

}  // namespace
}  // namespace kvd
