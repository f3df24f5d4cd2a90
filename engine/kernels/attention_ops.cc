// Rotary embedding with the split into heads, and attention.
#include <algorithm>
#include <memory>
#include <vector>

#include "inner.h"
#include "op.h"
#include "pool.h"
#include "rotary.h"

namespace kvd {
namespace {

// At most so many query tokens look at keys as they are.
constexpr int64_t kFewTokens = 2;
// Tokens that one thread rotates at a time.
constexpr int64_t kTokens = 64;

// Calls rows(first, count) for all rows of heads, on all threads.
template <typename Rows>
void ForTokens(const Heads& heads, const Rows& rows) {
  const int64_t all = heads.batch * heads.tokens;
  ParallelFor(Parts(all, kTokens), [&](int64_t piece) {
    rows(piece * kTokens, std::min(kTokens, all - piece * kTokens));
  });
}

void Rotary(Run& run, const Attributes& attributes) {
  const int64_t batch = attributes.i[0], queries = attributes.i[1], keys = attributes.i[2];
  const int64_t rows = run.Dim(0, 0), width = run.Dim(0, 1) / (queries + 2 * keys), tokens = rows / batch;
  const Heads heads = {batch, tokens, queries, keys, width, run.Size(1) / (tokens * width)};
  const float *packed = run.In(0), *cos = run.In(1), *sin = run.In(2);
  float* const outs[] = {run.Out(0, {batch, queries, tokens, width}), run.Out(1, {batch, keys, tokens, width}),
                         run.Out(2, {batch, keys, tokens, width})};
  ForTokens(heads, [&](int64_t first, int64_t count) {
    heads.Split(first, count, packed + first * heads.Floats(), cos, sin, outs);
  });
}

void RotaryGrad(Run& run, const Attributes&) {
  const int64_t batch = run.Dim(2, 0), queries = run.Dim(2, 1), tokens = run.Dim(2, 2), width = run.Dim(2, 3);
  const Heads heads = {batch, tokens, queries, run.Dim(3, 1), width, run.Size(0) / (tokens * width)};
  const float* const gradients[] = {run.In(2), run.In(3), run.In(4)};
  const float *cos = run.In(0), *sin = run.In(1);
  float* packed = run.Out(0, {batch * tokens, heads.Floats()});
  ForTokens(heads, [&](int64_t first, int64_t count) {
    heads.Join(first, count, gradients, cos, sin, packed + first * heads.Floats());
  });
}

// First inputs of both attention ops: queries [batch, heads, tokens, width], query positions [batch or 1, tokens], key
// positions [batch or 1, kvHeads or 1, rows]; then keys [batch, kvHeads, rows, width] in one piece or two, one behind
// the other, and values likewise.
struct Attention {
  int pieces;
  int64_t batch, heads, tokens, width, kv_heads, rows, query_lists, key_batches, key_heads;
  const float *queries, *query_positions, *key_positions;
  const float *keys[2], *values[2];
  int64_t piece_rows[2];
  HeadShape shape;

  // `given`: inputs that are not pieces.
  Attention(Run& run, const Attributes& attributes, int given)
      : pieces((run.Inputs() - given) / 2),
        batch(run.Dim(0, 0)),
        heads(run.Dim(0, 1)),
        tokens(run.Dim(0, 2)),
        width(run.Dim(0, 3)),
        kv_heads(run.Dim(kPieces, 1)),
        rows(run.Dim(2, 2)),
        query_lists(run.Dim(1, 0)),
        key_batches(run.Dim(2, 0)),
        key_heads(run.Dim(2, 1)),
        queries(run.In(0)),
        query_positions(run.In(1)),
        key_positions(run.In(2)),
        keys{},
        values{},
        piece_rows{},
        shape{static_cast<int>(width), attributes.f[0], attributes.f[1], attributes.f[2]} {
    for (int i = 0; i < pieces; i++) {
      keys[i] = run.In(kPieces + i);
      values[i] = run.In(kPieces + pieces + i);
      piece_rows[i] = run.Dim(kPieces + i, 2);
    }
  }

  static constexpr int kPieces = 3;

  // Floats before those of KV head number `list` of all sequences, in each piece.
  int64_t Before(int piece, int64_t list) const { return list * piece_rows[piece] * width; }
  HeadRows RowsOf(const float* const* x, int64_t list) const {
    return {x[0] + Before(0, list), static_cast<int>(piece_rows[0]), pieces > 1 ? x[1] + Before(1, list) : nullptr};
  }

  const float* PositionsOfQueries(int64_t b) const { return query_positions + (query_lists == 1 ? 0 : b) * tokens; }
  const float* PositionsOfKeys(int64_t b, int64_t head) const {
    return key_positions + ((key_batches == 1 ? 0 : b) * key_heads + (key_heads == 1 ? 0 : head)) * rows;
  }
};

// Room for a packed head, and the head.
class Packed {
 public:
  Packed(const Attention& a, int64_t b, int64_t head, bool backward) {
    const int64_t padded = inner().padded(static_cast<int>(a.width));
    const int64_t whole = Parts(a.rows, kKeyBlock) * kKeyBlock;
    rows_.reset(new int[whole]);
    floats_.reset(new float[whole * (1 + a.width + padded + (backward ? padded : 0))]);
    float* at = floats_.get();
    head_.rows = rows_.get();
    head_.positions = at;
    head_.keys_t = at += whole;
    head_.values = at += whole * a.width;
    head_.keys = at += whole * padded;
    const float* positions = a.PositionsOfQueries(b);
    const auto span = std::minmax_element(positions, positions + a.tokens);
    const float least = a.shape.window > 0 ? *span.first - a.shape.window : -1.0f;
    const int64_t list = b * a.kv_heads + head;
    inner().pack(a.RowsOf(a.keys, list), a.RowsOf(a.values, list), a.PositionsOfKeys(b, head),
                 static_cast<int>(a.rows), static_cast<int>(a.width), least, *span.second, backward, &head_);
  }
  const PackedHead& head() const { return head_; }

 private:
  std::unique_ptr<int[]> rows_;
  std::unique_ptr<float[]> floats_;
  PackedHead head_;
};

void Attend(Run& run, const Attributes& attributes) {
  const Attention a(run, attributes, 3);
  float* out = run.Out(0, {a.batch * a.tokens, a.heads * a.width});
  float* log_sums = run.Out(1, {a.batch, a.heads, a.tokens});
  const int64_t group = a.heads / a.kv_heads, stride = a.heads * a.width;
  if (a.tokens <= kFewTokens) {
    ParallelFor(a.batch * a.kv_heads, [&](int64_t list) {
      const int64_t b = list / a.kv_heads, kv = list % a.kv_heads;
      for (int64_t g = 0; g < group; g++) {
        for (int64_t t = 0; t < a.tokens; t++) {
          const int64_t head = kv * group + g, at = (b * a.heads + head) * a.tokens + t;
          inner().attend_few(a.shape, a.RowsOf(a.keys, list), a.RowsOf(a.values, list),
                             a.PositionsOfKeys(b, kv), static_cast<int>(a.rows), a.queries + at * a.width, a.PositionsOfQueries(b)[t],
                             out + (b * a.tokens + t) * stride + head * a.width, log_sums + at);
        }
      }
    });
    return;
  }
  std::vector<std::unique_ptr<Packed>> packed(a.batch * a.kv_heads);
  constexpr int64_t kTogether = kBlocksTogether * kQueryBlock;
  const int64_t pieces = Parts(a.tokens, kTogether);
  const auto attend = [&](int64_t list, int64_t g, int64_t piece) {
    const int64_t b = list / a.kv_heads, head = (list % a.kv_heads) * group + g, first = piece * kTogether;
    const int count = static_cast<int>(std::min(kTogether, a.tokens - first));
    const int64_t at = (b * a.heads + head) * a.tokens + first;
    inner().attend(a.shape, packed[list]->head(), a.queries + at * a.width, a.PositionsOfQueries(b) + first, count,
                   out + (b * a.tokens + first) * stride + head * a.width, stride, log_sums + at);
  };
  const int64_t lists = a.batch * a.kv_heads;
  // Many lists are work enough for all threads, and each list's keys are then used while they are in the cache.
  if (lists >= 16) {
    ParallelFor(lists, [&](int64_t list) {
      packed[list].reset(new Packed(a, list / a.kv_heads, list % a.kv_heads, false));
      for (int64_t g = 0; g < group; g++)
        for (int64_t piece = 0; piece < pieces; piece++) attend(list, g, piece);
      packed[list].reset();
    });
    return;
  }
  ParallelFor(lists, [&](int64_t list) {
    packed[list].reset(new Packed(a, list / a.kv_heads, list % a.kv_heads, false));
  });
  // The last pieces see most keys: they come first, so that the threads end together.
  ParallelFor(lists * group * pieces, [&](int64_t i) {
    const int64_t piece = pieces - 1 - i / (lists * group), rest = i % (lists * group);
    attend(rest / group, rest % group, piece);
  });
}

// What a gradient is added to: what came from elsewhere, or nothing.
void Begin(const float* rest, int64_t at, int64_t size, float* gradient) {
  if (rest == nullptr) std::fill_n(gradient + at, size, 0.0f);
  else std::copy_n(rest + at, size, gradient + at);
}

// Inputs: those of attention, its outputs, dout, and where keys and values are `kept` for other uses, too, their gradients
// from there; they come in one piece then. Outputs: gradients of queries, keys and values.
void AttendGradOf(Run& run, const Attributes& attributes, bool kept) {
  const Attention a(run, attributes, kept ? 8 : 6);
  const int rest = Attention::kPieces + 2 * a.pieces;
  const float *out = run.In(rest), *log_sums = run.In(rest + 1), *dout = run.In(rest + 2);
  const float *key_rest = kept ? run.In(rest + 3) : nullptr, *value_rest = kept ? run.In(rest + 4) : nullptr;
  float *query_gradient = run.OutLike(0, 0), *key_gradients[2], *value_gradients[2];
  for (int i = 0; i < a.pieces; i++) {
    key_gradients[i] = run.OutLike(1 + i, Attention::kPieces + i);
    value_gradients[i] = run.OutLike(1 + a.pieces + i, Attention::kPieces + a.pieces + i);
  }
  const int64_t group = a.heads / a.kv_heads, stride = a.heads * a.width;
  const int64_t padded = inner().padded(static_cast<int>(a.width));
  ParallelFor(a.batch * a.kv_heads, [&](int64_t list) {
    const int64_t b = list / a.kv_heads;
    const Packed packed(a, b, list % a.kv_heads, true);
    const PackedHead& head = packed.head();
    std::vector<float> sums(2 * head.count * padded, 0.0f);
    float *keys = sums.data(), *values = keys + head.count * padded;
    for (int64_t g = 0; g < group; g++) {
      for (int64_t first = 0; first < a.tokens; first += kQueryBlock) {
        const int count = static_cast<int>(std::min<int64_t>(kQueryBlock, a.tokens - first));
        const int64_t query_head = (list % a.kv_heads) * group + g;
        const int64_t at = (b * a.heads + query_head) * a.tokens + first;
        const int64_t row = (b * a.tokens + first) * stride + query_head * a.width;
        inner().attend_backward(a.shape, head, a.queries + at * a.width, a.PositionsOfQueries(b) + first, count,
                                out + row, dout + row, stride, log_sums + at, query_gradient + at * a.width, keys,
                                values);
      }
    }
    for (int i = 0; i < a.pieces; i++) {
      const int64_t at = a.Before(i, list), size = a.piece_rows[i] * a.width;
      Begin(key_rest, at, size, key_gradients[i]);
      Begin(value_rest, at, size, value_gradients[i]);
    }
    for (int n = 0; n < head.count; n++) {
      const int i = head.rows[n] < a.piece_rows[0] ? 0 : 1;
      const int64_t to = a.Before(i, list) + (head.rows[n] - (i == 0 ? 0 : a.piece_rows[0])) * a.width;
      float *key = key_gradients[i] + to, *value = value_gradients[i] + to;
      inner().add_rows(key, keys + n * padded, a.width, key);
      inner().add_rows(value, values + n * padded, a.width, value);
    }
  });
}

void AttendGrad(Run& run, const Attributes& attributes) { AttendGradOf(run, attributes, false); }
void AttendKeptGrad(Run& run, const Attributes& attributes) { AttendGradOf(run, attributes, true); }

const Registered rotary({"KvdRotary",
                         {"packed: float", "cos: float", "signed_sin: float"},
                         {"queries: float", "keys: float", "values: float"},
                         {},
                         {"batch", "heads", "kv_heads"},
                         Rotary});
const Registered rotary_grad({"KvdRotaryGrad",
                              {"cos: float", "signed_sin: float", "dqueries: float", "dkeys: float", "dvalues: float"},
                              {"dpacked: float"},
                              {},
                              {},
                              RotaryGrad});
const Registered attention(
    {"KvdAttention",
     {"queries: float", "query_positions: float", "key_positions: float", "keys: N * float", "values: N * float"},
     {"out: float", "log_sums: float"},
     {"scale", "softcap", "window"},
     {},
     Attend});
const Registered attention_grad({"KvdAttentionGrad",
                                 {"queries: float", "query_positions: float", "key_positions: float",
                                  "keys: N * float", "values: N * float", "out: float", "log_sums: float",
                                  "dout: float"},
                                 {"dqueries: float", "dkeys: N * float", "dvalues: N * float"},
                                 {"scale", "softcap", "window"},
                                 {},
                                 AttendGrad});
const Registered attention_kept_grad(
    {"KvdAttentionKeptGrad",
     {"queries: float", "query_positions: float", "key_positions: float", "keys: N * float", "values: N * float",
      "out: float", "log_sums: float", "dout: float", "key_rest: float", "value_rest: float"},
     {"dqueries: float", "dkeys: N * float", "dvalues: N * float"},
     {"scale", "softcap", "window"},
     {},
     AttendKeptGrad});

}  // namespace
}  // namespace kvd
