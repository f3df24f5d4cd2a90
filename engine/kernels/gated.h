// A gated MLP between its matrices, a panel of columns at a time while it is in the smallest cache.

namespace kvd {
namespace {

// Puts `count` columns of some rows [rows, kPanel] where they belong in tiles of `depth`, from depth `at` on.
inline void PutTile(int rows, const float* from, int count, int at, float* tile) {
  Turn(rows, count, [&](int r) { return from + r * kPanel; }, tile + at * KVD_TILE_ROWS, KVD_TILE_ROWS);
}

void GatedForward(const GatedShape& shape, int rows, const float* tiles, const float* gate, const float* up,
                  const KeptPanels& kept, float* gated) {
  const int width = shape.width, hidden = shape.hidden;
  float* strips = Scratch(2 * int64_t(rows) * kPanel);
  for (int n = 0; n < width; n += kPanel) {
    const int64_t panel = n / kPanel, matrix = int64_t(n) * hidden;
    const int count = width - n < kPanel ? width - n : kPanel;
    float* gates = kept.gate != nullptr ? kept.gate + panel * kept.apart : strips;
    float* ups = kept.gate != nullptr ? kept.up + panel * kept.apart : strips + int64_t(rows) * kPanel;
    PanelProduct(rows, hidden, tiles, gate + matrix, gates, kPanel);
    PanelProduct(rows, hidden, tiles, up + matrix, ups, kPanel);
    for (int m = 0; m < rows; m += KVD_TILE_ROWS) {
      const int some = rows - m < KVD_TILE_ROWS ? rows - m : KVD_TILE_ROWS;
      float block[KVD_TILE_ROWS * kPanel];
      for (int i = 0; i < some * kPanel; i += kLanes)
        Store(block + i, Gated(Load(gates + m * kPanel + i), Load(ups + m * kPanel + i), shape.gelu));
      PutTile(some, block, count, n, gated + int64_t(m) * width);
    }
  }
  free(strips);
}

void GatedBackward(const GatedShape& shape, int rows, const float* tiles, const float* down, const KeptPanels& kept,
                   const GatedPanels& learned, float* both) {
  const int width = shape.width, hidden = shape.hidden;
  float* strip = Scratch(int64_t(rows) * kPanel);
  for (int n = 0; n < width; n += kPanel) {
    const int64_t panel = n / kPanel;
    const int count = width - n < kPanel ? width - n : kPanel;
    PanelProduct(rows, hidden, tiles, down + int64_t(n) * hidden, strip, kPanel);
    for (int m = 0; m < rows; m += KVD_TILE_ROWS) {
      const int some = rows - m < KVD_TILE_ROWS ? rows - m : KVD_TILE_ROWS;
      float *gates = kept.gate + panel * kept.apart + m * kPanel, *ups = kept.up + panel * kept.apart + m * kPanel;
      float own[2][KVD_TILE_ROWS * kPanel], again[KVD_TILE_ROWS * kPanel];
      float *dgate = learned.gated != nullptr ? gates : own[0], *dup = learned.gated != nullptr ? ups : own[1];
      for (int i = 0; i < some * kPanel; i += kLanes) {
        const GateSlopes slope(Load(gates + i), Load(ups + i), Load(strip + m * kPanel + i), shape.gelu);
        Store(dgate + i, slope.gate);
        Store(dup + i, slope.up);
        Store(again + i, slope.gated);
      }
      float* tile = both + int64_t(m) * 2 * width;
      PutTile(some, dgate, count, n, tile);
      PutTile(some, dup, count, width + n, tile);
      // Panels of both kinds are whole quarters of vectors wide, but not each of the one kind several of the other.
      for (int i = 0; learned.gated != nullptr && i < count; i += 4) {
        const int64_t at = (n + i) / kTall, column = (n + i) % kTall;
        for (int r = 0; r < some; r++)
          _mm_storeu_ps(learned.gated + at * learned.apart + (m + r) * kTall + column,
                        _mm_loadu_ps(again + r * kPanel + i));
      }
    }
  }
  free(strip);
}

}  // namespace
}  // namespace kvd
