// Products of few rows with a whole matrix: decoding. Each number is summed in the same order however many rows come
// together, so that a sequence gets the same in a batch as alone.

namespace kvd {
namespace {

// Vectors side by side that leave registers for them and their sums.
constexpr int kWide = KVD_LANES == 16 ? 8 : 4;
// Rows of a matrix that are fetched ahead.
constexpr int kAhead = 8;

template <int kRows, int kVectors>
inline void Sweep(int columns, int depth, const float* a, int64_t a_row, const float* b, int64_t b_row, float* c,
                  int64_t c_row) {
  int n = 0;
  for (; n + kVectors * kLanes <= columns; n += kVectors * kLanes) {
    Sums<kRows, kVectors> sums(c + n, c_row, false);
    const float* row = b + n;
    for (int k = 0; k < depth; k++, row += b_row) {
      for (int j = 0; j < kVectors; j++) __builtin_prefetch(row + kAhead * b_row + j * kLanes);
      sums.Add(a + k, a_row, row);
    }
    sums.Put(c + n, c_row);
  }
  Stripe<kRows>(a, a_row, 1, b + n, b_row, columns - n, depth, c + n, c_row, false);
}

// One row's product; what is read is fetched ahead, since a single row waits for memory alone.
inline void OneRow(int columns, int depth, const float* a, const float* b, int64_t b_row, float* c) {
  int n = 0;
  for (; n + kWide * kLanes <= columns; n += kWide * kLanes) {
    vf sums[kWide] = {};
    const float* row = b + n;
    for (int k = 0; k < depth; k++, row += b_row) {
      const vf factor = Fill(a[k]);
      for (int j = 0; j < kWide; j++) {
        __builtin_prefetch(row + kAhead * b_row + j * kLanes);
        sums[j] += factor * Load(row + j * kLanes);
      }
    }
    for (int j = 0; j < kWide; j++) Store(c + n + j * kLanes, sums[j]);
  }
  Stripe<1>(a, 0, 1, b + n, b_row, columns - n, depth, c + n, 0, false);
}

// C[rows, columns] = A[rows, depth] · B[depth, columns].
void FewRows(int rows, int columns, int depth, const float* a, int64_t a_row, const float* b, int64_t b_row, float* c,
             int64_t c_row) {
  int left = rows;
  for (; left >= KVD_TILE_ROWS; left -= KVD_TILE_ROWS, a += KVD_TILE_ROWS * a_row, c += KVD_TILE_ROWS * c_row)
    Sweep<KVD_TILE_ROWS, 2>(columns, depth, a, a_row, b, b_row, c, c_row);
  for (; left >= 4; left -= 4, a += 4 * a_row, c += 4 * c_row)
    Sweep<4, kWide / 2>(columns, depth, a, a_row, b, b_row, c, c_row);
  if (left == 3) Sweep<3, kWide / 2>(columns, depth, a, a_row, b, b_row, c, c_row);
  if (left == 2) Sweep<2, kWide / 2>(columns, depth, a, a_row, b, b_row, c, c_row);
  if (left == 1) OneRow(columns, depth, a, b, b_row, c);
}

template <int kRows, int kCount>
inline __attribute__((always_inline)) void DotTile(int depth, const float* a, int64_t a_row, const float* b,
                                                   int64_t b_row, float* c, int64_t c_row) {
  vf sums[kRows][kCount] = {};
  int k = 0;
  for (; k + kLanes <= depth; k += kLanes) {
    vf row[kRows];
    for (int i = 0; i < kRows; i++) row[i] = Load(a + i * a_row + k);
    for (int j = 0; j < kCount; j++) {
      const vf other = Load(b + j * b_row + k);
      for (int i = 0; i < kRows; i++) sums[i][j] += row[i] * other;
    }
  }
  for (int i = 0; i < kRows; i++)
    for (int j = 0; j < kCount; j++) {
      float sum = FoldedSum(sums[i][j]);
      for (int rest = k; rest < depth; rest++) sum += a[i * a_row + rest] * b[j * b_row + rest];
      c[i * c_row + j] = sum;
    }
}

template <int kRows>
inline void DotStripe(int count, int depth, const float* a, int64_t a_row, const float* b, int64_t b_row, float* c,
                      int64_t c_row) {
  int n = 0;
  for (; n + kWide / 2 <= count; n += kWide / 2)
    DotTile<kRows, kWide / 2>(depth, a, a_row, b + n * b_row, b_row, c + n, c_row);
  for (; n < count; n++) DotTile<kRows, 1>(depth, a, a_row, b + n * b_row, b_row, c + n, c_row);
}

// C[rows, count] = A[rows, depth] · B[count, depth] transposed.
void FewDots(int rows, int count, int depth, const float* a, int64_t a_row, const float* b, int64_t b_row, float* c,
             int64_t c_row) {
  int m = 0;
  for (; m + 4 <= rows; m += 4) DotStripe<4>(count, depth, a + m * a_row, a_row, b, b_row, c + m * c_row, c_row);
  for (; m < rows; m++) DotStripe<1>(count, depth, a + m * a_row, a_row, b, b_row, c + m * c_row, c_row);
}

void SoftCap(float* x, int count, float cap) {
  for (int i = 0; i < count; i += kLanes) {
    const vf some = LoadSome(x + i, count - i);
    StoreSome(x + i, cap * Tanh(some / cap), count - i);
  }
}

}  // namespace
}  // namespace kvd
