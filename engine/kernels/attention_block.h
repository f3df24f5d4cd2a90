// Attention of one head in blocks (Dao et al., arXiv 2205.14135 and 2307.08691): neither weights nor logits are ever
// whole. Which keys a query sees is decided by positions alone, as in the decoder.

namespace kvd {
namespace {

constexpr float kNever = 1e9f;

inline const float* Row(const HeadRows& x, int row, int width) {
  return row < x.count ? x.rows + int64_t(row) * width : x.rest + int64_t(row - x.count) * width;
}

// Rows [count, width] as [count, padded], scaled.
inline void Widen(const float* x, int64_t stride, int count, int width, float scale, float* y) {
  const int padded = Padded(width);
  for (int r = 0; r < count; r++)
    for (int i = 0; i < padded; i += kLanes)
      Store(y + r * padded + i, LoadSome(x + r * stride + i, width - i) * scale);
}

// The packed rows of x as [blocks, width, kKeyBlock]; the last of them again behind it.
void PackTransposed(const HeadRows& x, const PackedHead& packed, int whole, int width, float* y) {
  for (int first = 0; first < whole; first += kKeyBlock) {
    const auto row = [&](int r) {
      const int n = first + r < packed.count ? first + r : packed.count - 1;
      return Row(x, packed.rows[n], width);
    };
    Turn(kKeyBlock, width, row, y + int64_t(first) * width, kKeyBlock);
  }
}

void Pack(const HeadRows& keys, const HeadRows& values, const float* positions, int rows, int width, float least,
          float most, bool backward, PackedHead* packed) {
  const int padded = Padded(width);
  int count = 0;
  for (int r = 0; r < rows; r++)
    if (positions[r] <= most && positions[r] > least) packed->rows[count++] = r;
  packed->count = count;
  const int whole = (count + kKeyBlock - 1) / kKeyBlock * kKeyBlock;
  for (int n = 0; n < whole; n++) packed->positions[n] = n < count ? positions[packed->rows[n]] : kNever;
  PackTransposed(keys, *packed, whole, width, packed->keys_t);
  if (backward) PackTransposed(values, *packed, whole, width, packed->values);
  const HeadRows& rows_apart = backward ? keys : values;
  float* apart = backward ? packed->keys : packed->values;
  for (int n = 0; n < count; n++)
    Widen(Row(rows_apart, packed->rows[n], width), width, 1, width, 1.0f, apart + int64_t(n) * padded);
}

struct Span {
  float least, most;
};

inline Span SpanOf(const float* positions, int count) {
  Span span = {positions[0], positions[0]};
  for (int i = 1; i < count; i++) {
    if (positions[i] < span.least) span.least = positions[i];
    if (positions[i] > span.most) span.most = positions[i];
  }
  return span;
}

// How many of a block's keys there are up to the last that some query may see.
inline int Reach(const float* places, int keys, Span queries) {
  while (keys > 0 && places[keys - 1] > queries.most) keys--;
  return keys;
}

// Whether a block of keys is seen by none of the queries, or by all.
enum class Sight { kNone, kSome, kAll };

inline Sight SightOf(Span keys, Span queries, float window) {
  if (keys.least > queries.most) return Sight::kNone;
  if (window > 0 && keys.most <= queries.least - window) return Sight::kNone;
  const bool all = keys.most <= queries.least && (window == 0 || keys.least > queries.most - window);
  return all ? Sight::kAll : Sight::kSome;
}

inline vi Seen(vf keys, float query, float window) {
  vi seen = keys <= query;
  if (window > 0) seen &= keys > query - window;
  return seen;
}

// A block of queries, and what it has seen so far.
struct Seekers {
  int count;
  const float* positions;
  Span span;
  const float* queries;  // [tiles, width, KVD_TILE_ROWS], scaled
  float* mixed;          // [count, padded]: values, weighted
  float *most, *sums;    // [count]: the greatest logit, and the sum of weights
};

// One block of keys, from number `first` on; logits: [kQueryBlock, kKeyBlock] of scratch.
void Look(const HeadShape& shape, const PackedHead& packed, int first, const Seekers& seekers, float* logits) {
  const int width = shape.width, padded = Padded(width), count = seekers.count;
  const float softcap = shape.softcap, window = shape.window;
  const float* places = packed.positions + first;
  const int keys = Reach(places, packed.count - first < kKeyBlock ? packed.count - first : kKeyBlock, seekers.span);
  if (keys == 0) return;
  const Sight sight = SightOf(SpanOf(places, keys), seekers.span, window);
  if (sight == Sight::kNone) return;
  const int columns = Padded(keys);
  ProductOfTiles(count, columns, width, seekers.queries, width, packed.keys_t + int64_t(first) * width, kKeyBlock,
                 logits, kKeyBlock, false);
  const bool masked = sight == Sight::kSome || columns > keys;
  vf sums[kQueryBlock];
  for (int r = 0; r < count; r++) {
    float *row = logits + r * kKeyBlock, *mixed = seekers.mixed + r * padded;
    const float position = seekers.positions[r];
    vf highest = Fill(-1e30f);
    for (int j = 0; j < columns; j += kLanes) {
      vf logit = Load(row + j);
      if (softcap > 0) logit = softcap * Tanh(logit / softcap);
      if (masked) logit = Pick(Seen(Load(places + j), position, window), logit, Fill(-1e30f));
      Store(row + j, logit);
      highest = Most(highest, logit);
    }
    const float before = seekers.most[r], now = Greatest(highest);
    sums[r] = vf{};
    if (now <= -1e30f) {
      // No key of this block is seen by this query.
      memset(row, 0, columns * sizeof(float));
      continue;
    }
    if (now > before && seekers.sums[r] > 0) {
      const float shrunk = Exp(Fill(before - now))[0];
      seekers.sums[r] *= shrunk;
      for (int i = 0; i < padded; i += kLanes) Store(mixed + i, Load(mixed + i) * shrunk);
    }
    const float peak = now > before ? now : before;
    seekers.most[r] = peak;
    for (int j = 0; j < columns; j += kLanes) {
      const vf weight = Exp(Load(row + j) - peak);
      Store(row + j, weight);
      sums[r] += weight;
    }
  }
  AddSums(sums, count, seekers.sums);
  Product<kKeyBlock, 1>(count, padded, keys, logits, kKeyBlock, 1, packed.values + int64_t(first) * padded, padded,
                        seekers.mixed, padded, true);
}

void Attend(const HeadShape& shape, const PackedHead& packed, const float* queries, const float* positions,
            int count, float* out, int64_t stride, float* log_sums) {
  const int width = shape.width, padded = Padded(width);
  const int room = (count + kQueryBlock) * padded;
  float* memory = Scratch(kQueryBlock * kKeyBlock + 2 * room + 2 * count);
  float *logits = memory, *scaled = logits + kQueryBlock * kKeyBlock, *mixed = scaled + room;
  float *most = mixed + room, *sums = most + count;
  Widen(queries, width, count, width, shape.scale, mixed);
  PackRows(count, width, mixed, padded, scaled);
  memset(mixed, 0, count * padded * sizeof(float));
  for (int r = 0; r < count; r++) most[r] = -1e30f, sums[r] = 0;
  Seekers blocks[kBlocksTogether];
  int whole = 0;
  for (int r = 0; r < count; r += kQueryBlock) {
    const int some = count - r < kQueryBlock ? count - r : kQueryBlock;
    const Span span = SpanOf(positions + r, some);
    blocks[whole++] = {some, positions + r, span, scaled + r * width, mixed + r * padded, most + r, sums + r};
  }
  for (int first = 0; first < packed.count; first += kKeyBlock)
    for (int i = 0; i < whole; i++) Look(shape, packed, first, blocks[i], logits);
  for (int r = 0; r < count; r++) {
    const float share = sums[r] > 0 ? 1.0f / sums[r] : 0.0f;
    for (int i = 0; i < width; i += kLanes)
      StoreSome(out + r * stride + i, Load(mixed + r * padded + i) * share, width - i);
    log_sums[r] = sums[r] > 0 ? most[r] + logf(sums[r]) : 1e30f;
  }
  free(memory);
}

// Sum of a vector's floats, by halves.
inline float FoldedSum(vf v) {
  float parts[kLanes];
  Store(parts, v);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) parts[i] += parts[half + i];
  return parts[0];
}

// The folded sums of as many vectors as one has lanes.
inline vf FoldedSums(const vf* v) {
#if KVD_LANES == 16
  // Halves of two vectors at a time, then those of the sums; a quarter's vectors are taken crosswise, so that the last
  // sums stand in order.
  vf sums[kLanes];
  for (int i = 0; i < kLanes; i++) sums[i] = v[i % 4 * 4 + i / 4];
  for (int i = 0; i < 8; i++)
    sums[i] = _mm512_shuffle_f32x4(sums[2 * i], sums[2 * i + 1], 0x44) +
              _mm512_shuffle_f32x4(sums[2 * i], sums[2 * i + 1], 0xee);
  for (int i = 0; i < 4; i++)
    sums[i] = _mm512_shuffle_f32x4(sums[2 * i], sums[2 * i + 1], 0x88) +
              _mm512_shuffle_f32x4(sums[2 * i], sums[2 * i + 1], 0xdd);
  for (int i = 0; i < 2; i++)
    sums[i] = _mm512_shuffle_ps(sums[2 * i], sums[2 * i + 1], 0x44) +
              _mm512_shuffle_ps(sums[2 * i], sums[2 * i + 1], 0xee);
  return _mm512_shuffle_ps(sums[0], sums[1], 0x88) + _mm512_shuffle_ps(sums[0], sums[1], 0xdd);
#else
  vf sums;
  for (int i = 0; i < kLanes; i++) sums[i] = FoldedSum(v[i]);
  return sums;
#endif
}

// Vectors of values that are mixed at once.
constexpr int kMixed = 4;

// Adds to some vectors of `mixed` those of `count` rows of values from number `first` on, weighted.
template <int kVectors>
inline void Mix(const HeadRows& values, int first, int count, int width, int from, const float* weights,
                float* mixed) {
  vf sums[kVectors];
  for (int v = 0; v < kVectors; v++) sums[v] = Load(mixed + v * kLanes);
  for (int j = 0; j < count; j++) {
    if (weights[j] == 0) continue;
    const float* value = Row(values, first + j, width) + from;
    const vf weight = Fill(weights[j]);
    for (int v = 0; v < kVectors; v++) sums[v] += weight * Load(value + v * kLanes);
  }
  for (int v = 0; v < kVectors; v++) Store(mixed + v * kLanes, sums[v]);
}

void AttendFew(const HeadShape& shape, const HeadRows& keys, const HeadRows& values, const float* key_positions,
               int rows, const float* query, float position, float* out, float* log_sum) {
  const int width = shape.width, whole = width / kLanes * kLanes, padded = Padded(width);
  float* memory = Scratch(kKeyBlock + 2 * padded);
  float *logits = memory, *scaled = logits + kKeyBlock, *mixed = scaled + padded;
  Widen(query, width, 1, width, shape.scale, scaled);
  memset(mixed, 0, padded * sizeof(float));
  float most = -1e30f, sum = 0;
  for (int first = 0; first < rows; first += kKeyBlock) {
    const int count = rows - first < kKeyBlock ? rows - first : kKeyBlock;
    vf highest = Fill(-1e30f);
    const int columns = Padded(count);
    for (int j = 0; j < count; j += kLanes) {
      vf products[kLanes];
      for (int n = 0; n < kLanes; n++) {
        const float* key = Row(keys, first + (j + n < count ? j + n : count - 1), width);
        products[n] = vf{};
        for (int i = 0; i < whole; i += kLanes) products[n] += Load(scaled + i) * Load(key + i);
      }
      Store(logits + j, FoldedSums(products));
    }
    for (int j = 0; j < count; j++) {
      const float place = key_positions[first + j];
      const float* key = Row(keys, first + j, width);
      for (int i = whole; i < width; i++) logits[j] += scaled[i] * key[i];
      if (place > position || (shape.window > 0 && place <= position - shape.window)) logits[j] = -1e30f;
    }
    for (int j = count; j < columns; j++) logits[j] = -1e30f;
    for (int j = 0; j < columns; j += kLanes) {
      vf logit = Load(logits + j);
      if (shape.softcap > 0) logit = Pick(logit > -1e29f, shape.softcap * Tanh(logit / shape.softcap), logit);
      Store(logits + j, logit);
      highest = Most(highest, logit);
    }
    const float now = Greatest(highest);
    if (now <= -1e30f) continue;
    if (now > most) {
      const float shrunk = Exp(Fill(most - now))[0];
      sum *= shrunk;
      for (int i = 0; i < padded; i += kLanes) Store(mixed + i, Load(mixed + i) * shrunk);
      most = now;
    }
    vf weights{};
    for (int j = 0; j < columns; j += kLanes) {
      const vf weight = Exp(Load(logits + j) - most);
      Store(logits + j, weight);
      weights += weight;
    }
    sum += FoldedSum(weights);
    int i = 0;
    for (; i + kMixed * kLanes <= whole; i += kMixed * kLanes)
      Mix<kMixed>(values, first, count, width, i, logits, mixed + i);
    for (; i < whole; i += kLanes) Mix<1>(values, first, count, width, i, logits, mixed + i);
    for (; i < width; i++)
      for (int j = 0; j < count; j++)
        if (logits[j] != 0) mixed[i] += logits[j] * Row(values, first + j, width)[i];
  }
  for (int i = 0; i < width; i++) out[i] = sum > 0 ? mixed[i] / sum : 0.0f;
  *log_sum = sum > 0 ? most + logf(sum) : 1e30f;
  free(memory);
}

void AttendBackward(const HeadShape& shape, const PackedHead& packed, const float* queries, const float* positions,
                    int count, const float* out, const float* dout, int64_t stride, const float* log_sums,
                    float* query_gradient, float* key_gradient, float* value_gradient) {
  const int width = shape.width, padded = Padded(width);
  float* memory = Scratch(kQueryBlock * (2 * kKeyBlock + 5 * padded + 1));
  float *weights = memory, *slopes = weights + kQueryBlock * kKeyBlock;
  float *scaled = slopes + kQueryBlock * kKeyBlock, *wide = scaled + kQueryBlock * padded;
  float *gradient = wide + kQueryBlock * padded, *offsets = gradient + kQueryBlock * padded;
  float *scaled_tiles = offsets + kQueryBlock, *wide_tiles = scaled_tiles + kQueryBlock * padded;
  Widen(queries, width, count, width, shape.scale, scaled);
  Widen(dout, stride, count, width, 1.0f, wide);
  PackRows(count, width, scaled, padded, scaled_tiles);
  PackRows(count, width, wide, padded, wide_tiles);
  memset(gradient, 0, count * padded * sizeof(float));
  for (int r = 0; r < count; r++) {
    vf products{};
    for (int i = 0; i < width; i += kLanes)
      products += LoadSome(out + r * stride + i, width - i) * Load(wide + r * padded + i);
    offsets[r] = Sum(products);
  }
  const Span seekers = SpanOf(positions, count);
  const float softcap = shape.softcap, window = shape.window;
  for (int first = 0; first < packed.count; first += kKeyBlock) {
    const float* places = packed.positions + first;
    const int keys = Reach(places, packed.count - first < kKeyBlock ? packed.count - first : kKeyBlock, seekers);
    if (keys == 0) continue;
    const Sight sight = SightOf(SpanOf(places, keys), seekers, shape.window);
    if (sight == Sight::kNone) continue;
    const int columns = Padded(keys);
    const int64_t transposed = int64_t(first) * width;
    ProductOfTiles(count, columns, width, scaled_tiles, width, packed.keys_t + transposed, kKeyBlock, weights,
                   kKeyBlock, false);
    ProductOfTiles(count, columns, width, wide_tiles, width, packed.values + transposed, kKeyBlock, slopes, kKeyBlock,
                   false);
    const bool masked = sight == Sight::kSome || columns > keys;
    for (int r = 0; r < count; r++) {
      float *row = weights + r * kKeyBlock, *slope = slopes + r * kKeyBlock;
      const float position = positions[r], log_sum = log_sums[r], offset = offsets[r];
      for (int j = 0; j < columns; j += kLanes) {
        vf logit = Load(row + j);
        vf bend = Fill(1.0f);
        if (softcap > 0) {
          const vf tanh = Tanh(logit / softcap);
          logit = softcap * tanh;
          bend = 1.0f - tanh * tanh;
        }
        vf weight = Exp(logit - log_sum);
        if (masked) weight = Pick(Seen(Load(places + j), position, window), weight, vf{});
        Store(row + j, weight);
        Store(slope + j, weight * (Load(slope + j) - offset) * bend);
      }
    }
    const int64_t at = int64_t(first) * padded;
    Product<1, kKeyBlock>(keys, padded, count, weights, 1, kKeyBlock, wide, padded, value_gradient + at, padded, true);
    Product<1, kKeyBlock>(keys, padded, count, slopes, 1, kKeyBlock, scaled, padded, key_gradient + at, padded, true);
    Product<kKeyBlock, 1>(count, padded, keys, slopes, kKeyBlock, 1, packed.keys + at, padded, gradient, padded, true);
  }
  for (int r = 0; r < count; r++)
    for (int i = 0; i < width; i += kLanes)
      StoreSome(query_gradient + r * width + i, Load(gradient + r * padded + i) * shape.scale, width - i);
  free(memory);
}

}  // namespace
}  // namespace kvd
