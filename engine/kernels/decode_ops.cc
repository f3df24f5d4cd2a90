// A step of decoding for a whole model in one op, and the room for it in the cache.
#include <algorithm>
#include <functional>
#include <vector>

#include "inner.h"
#include "op.h"
#include "pool.h"
#include "rotary.h"

namespace kvd {
namespace {

// Columns of a product that one thread does at a time.
constexpr int64_t kColumns = 128;
// So few multiplications are done before another thread has woken.
constexpr int64_t kSmall = 1 << 14;

// Inputs that there is one of, and those that each layer has.
enum { kStep, kEmbedding, kFinalNorm, kHead, kCos, kSignedSin, kSingle };
enum {
  kKeys, kValues, kPositions,
  kInputNorm, kQkv, kQkvBias, kQueryNorm, kKeyNorm, kAttentionOut, kAttentionOutBias, kPostAttentionNorm,
  kMlpNorm, kGateUp, kMlpDown, kPostMlpNorm,
  kLists
};

// What the inputs say, and whether they fit together.
class Model {
 public:
  Model(Run& run, const Attributes& attributes)
      : run(run),
        layers((run.Inputs() - kSingle) / kLists),
        batch(run.Dim(At(kKeys, 0), 0)),
        kv_heads(run.Dim(At(kKeys, 0), 1)),
        width(run.Dim(At(kKeys, 0), 3)),
        hidden(run.Dim(kEmbedding, 1)),
        vocabulary(run.Dim(kEmbedding, 0)),
        heads(run.Dim(At(kQkv, 0), 1) / width - 2 * kv_heads),
        inner_width(run.Dim(At(kMlpDown, 0), 0)),
        epsilon(attributes.f[0]),
        scale(attributes.f[1]),
        softcap(attributes.f[2]),
        logit_softcap(attributes.f[3]),
        embedding_scale(attributes.f[4]),
        logit_scale(attributes.f[5]),
        gelu(attributes.i[0] != 0) {}

  int At(int list, int64_t layer) const { return static_cast<int>(kSingle + list * layers + layer); }
  const float* Weight(int list, int64_t layer) { return run.In(At(list, layer)); }
  // Null where the family has none.
  const float* Optional(int list, int64_t layer) { return run.Size(At(list, layer)) == 0 ? nullptr : Weight(list, layer); }
  int64_t Columns() const { return (heads + 2 * kv_heads) * width; }
  int64_t Capacity(int64_t layer) { return run.Dim(At(kKeys, layer), 2); }
  int64_t Row(int64_t layer) { return static_cast<int64_t>(run.In(kStep)[layer]); }
  float Window(int64_t layer) { return run.In(kStep)[layers + layer]; }
  int64_t Token(int64_t b) { return static_cast<int64_t>(run.In(kStep)[2 * layers + b]); }
  float Position(int64_t b) { return run.In(kStep)[2 * layers + batch + b]; }

  bool Fits();

  Run& run;
  const int64_t layers, batch, kv_heads, width, hidden, vocabulary, heads, inner_width;
  const float epsilon, scale, softcap, logit_softcap, embedding_scale, logit_scale;
  const bool gelu;

 private:
  bool OptionalFits(int list, int64_t layer, int64_t size) {
    return run.Size(At(list, layer)) == 0 || run.Size(At(list, layer)) == size;
  }
  bool LayerFits(int64_t layer);
};

bool Model::LayerFits(int64_t layer) {
  const int64_t capacity = Capacity(layer), attended = heads * width;
  const int positions = At(kPositions, layer);
  return run.Is(At(kKeys, layer), {batch, kv_heads, capacity, width}) &&
         run.Is(At(kValues, layer), {batch, kv_heads, capacity, width}) && run.Rank(positions) == 3 &&
         (run.Dim(positions, 0) == 1 || run.Dim(positions, 0) == batch) &&
         (run.Dim(positions, 1) == 1 || run.Dim(positions, 1) == kv_heads) && run.Dim(positions, 2) == capacity &&
         run.In(kStep)[layer] >= 0 && Row(layer) < capacity && run.Is(At(kInputNorm, layer), {hidden}) &&
         run.Is(At(kQkv, layer), {hidden, Columns()}) && OptionalFits(kQkvBias, layer, Columns()) &&
         OptionalFits(kQueryNorm, layer, width) && OptionalFits(kKeyNorm, layer, width) &&
         run.Is(At(kAttentionOut, layer), {attended, hidden}) && OptionalFits(kAttentionOutBias, layer, hidden) &&
         OptionalFits(kPostAttentionNorm, layer, hidden) && run.Is(At(kMlpNorm, layer), {hidden}) &&
         run.Is(At(kGateUp, layer), {hidden, 2 * inner_width}) && run.Is(At(kMlpDown, layer), {inner_width, hidden}) &&
         OptionalFits(kPostMlpNorm, layer, hidden);
}

bool Model::Fits() {
  if (run.Inputs() != kSingle + kLists * layers || heads <= 0 || heads % kv_heads != 0 || width % 2 != 0) return false;
  const int64_t tables = run.Dim(kCos, 0);
  if (!run.Is(kStep, {2 * (layers + batch)}) || !run.Is(kFinalNorm, {hidden}) || !run.Is(kCos, {tables, width}) ||
      !run.Is(kSignedSin, {tables, width}) ||
      (run.Size(kHead) != 0 && !run.Is(kHead, {hidden, vocabulary})))
    return false;
  for (int64_t b = 0; b < batch; b++)
    if (Token(b) < 0 || Token(b) >= vocabulary || !(Position(b) >= 0 && Position(b) < tables)) return false;
  for (int64_t layer = 0; layer < layers; layer++)
    if (!LayerFits(layer)) return false;
  return true;
}

void Each(int64_t count, int64_t multiplications, const std::function<void(int64_t)>& work) {
  if (multiplications > kSmall) return ParallelFor(count, work);
  for (int64_t i = 0; i < count; i++) work(i);
}

// The residual stream of one new token a sequence, and what a layer makes of it.
class Step {
 public:
  explicit Step(Model& m)
      : m_(m),
        x_(m.batch * m.hidden),
        normed_(x_.size()),
        change_(x_.size()),
        inverse_(std::max(m.batch, m.heads)),
        qkv_(m.batch * m.Columns()),
        attended_(m.batch * m.heads * m.width),
        gate_up_(m.batch * 2 * m.inner_width),
        gated_(m.batch * m.inner_width) {}

  void Embed() {
    const float* embedding = m_.run.In(kEmbedding);
    for (int64_t b = 0; b < m_.batch; b++)
      for (int64_t i = 0; i < m_.hidden; i++)
        x_[b * m_.hidden + i] = embedding[m_.Token(b) * m_.hidden + i] * m_.embedding_scale;
  }

  void Layer(int64_t layer) {
    Norm(x_, m_.Weight(kInputNorm, layer), normed_.data());
    Multiply(normed_, m_.hidden, m_.Weight(kQkv, layer), m_.Optional(kQkvBias, layer), m_.Columns(), qkv_);
    Append(layer);
    Attend(layer);
    Multiply(attended_, m_.heads * m_.width, m_.Weight(kAttentionOut, layer), m_.Optional(kAttentionOutBias, layer),
             m_.hidden, change_);
    AddChange(m_.Optional(kPostAttentionNorm, layer));
    Norm(x_, m_.Weight(kMlpNorm, layer), normed_.data());
    Multiply(normed_, m_.hidden, m_.Weight(kGateUp, layer), nullptr, 2 * m_.inner_width, gate_up_);
    Each(m_.batch, m_.batch * m_.inner_width * 16, [&](int64_t b) {
      inner().gate_forward(gate_up_.data() + b * 2 * m_.inner_width, 1, m_.inner_width, m_.gelu,
                           gated_.data() + b * m_.inner_width);
    });
    Multiply(gated_, m_.inner_width, m_.Weight(kMlpDown, layer), nullptr, m_.hidden, change_);
    AddChange(m_.Optional(kPostMlpNorm, layer));
  }

  // [batch, vocabulary]
  void Logits(float* logits) {
    Norm(x_, m_.run.In(kFinalNorm), normed_.data());
    if (m_.logit_scale != 1)
      for (float& value : normed_) value *= m_.logit_scale;
    const bool tied = m_.run.Size(kHead) == 0;
    const float* matrix = m_.run.In(tied ? kEmbedding : kHead);
    const int64_t columns = m_.vocabulary, depth = m_.hidden, rows = m_.batch;
    Each(Parts(columns, kColumns), rows * columns * depth, [&](int64_t piece) {
      const int64_t first = piece * kColumns;
      const int count = static_cast<int>(std::min(kColumns, columns - first));
      if (tied)
        inner().few_dots(rows, count, depth, normed_.data(), depth, matrix + first * depth, depth, logits + first, columns);
      else
        inner().few_rows(rows, count, depth, normed_.data(), depth, matrix + first, columns, logits + first, columns);
      if (m_.logit_softcap > 0)
        for (int64_t b = 0; b < rows; b++) inner().soft_cap(logits + b * columns + first, count, m_.logit_softcap);
    });
  }

 private:
  void Norm(const std::vector<float>& x, const float* gain, float* y) {
    inner().norm_forward(x.data(), gain, m_.epsilon, m_.batch, m_.hidden, y, inverse_.data());
  }

  // to [batch, columns] = from [batch, depth] · matrix + bias
  void Multiply(const std::vector<float>& from, int64_t depth, const float* matrix, const float* bias, int64_t columns,
                std::vector<float>& to) {
    Each(Parts(columns, kColumns), m_.batch * columns * depth, [&](int64_t piece) {
      const int64_t first = piece * kColumns, count = std::min(kColumns, columns - first);
      inner().few_rows(m_.batch, count, depth, from.data(), depth, matrix + first, columns, to.data() + first, columns);
      if (bias == nullptr) return;
      for (int64_t b = 0; b < m_.batch; b++)
        for (int64_t i = first; i < first + count; i++) to[b * columns + i] += bias[i];
    });
  }

  // A layer's output joins the residual stream, normed where the family does so.
  void AddChange(const float* gain) {
    if (gain != nullptr) Norm(change_, gain, change_.data());
    for (size_t i = 0; i < x_.size(); i++) x_[i] += change_[i];
  }

  // Heads normed where the family does so and rotated; keys, values and positions go into their row of the cache.
  void Append(int64_t layer) {
    const float *query_norm = m_.Optional(kQueryNorm, layer), *key_norm = m_.Optional(kKeyNorm, layer);
    const float *cos = m_.run.In(kCos), *signed_sin = m_.run.In(kSignedSin);
    float *keys = m_.run.InPlace(m_.At(kKeys, layer)), *values = m_.run.InPlace(m_.At(kValues, layer));
    float* positions = m_.run.InPlace(m_.At(kPositions, layer));
    const int64_t row = m_.Row(layer), capacity = m_.Capacity(layer), width = m_.width;
    const int64_t lists = m_.run.Dim(m_.At(kPositions, layer), 0), own = m_.run.Dim(m_.At(kPositions, layer), 1);
    for (int64_t b = 0; b < m_.batch; b++) {
      float *queries = qkv_.data() + b * m_.Columns(), *new_keys = queries + m_.heads * width;
      if (query_norm != nullptr)
        inner().norm_forward(queries, query_norm, m_.epsilon, m_.heads, width, queries, inverse_.data());
      if (key_norm != nullptr)
        inner().norm_forward(new_keys, key_norm, m_.epsilon, m_.kv_heads, width, new_keys, inverse_.data());
      const int64_t table = static_cast<int64_t>(m_.Position(b)) * width;
      for (int64_t head = 0; head < m_.heads + m_.kv_heads; head++)
        inner().rotate(queries + head * width, cos + table, signed_sin + table, static_cast<int>(width),
                       queries + head * width);
      for (int64_t head = 0; head < m_.kv_heads; head++) {
        const int64_t to = ((b * m_.kv_heads + head) * capacity + row) * width;
        std::copy_n(new_keys + head * width, width, keys + to);
        std::copy_n(new_keys + (m_.kv_heads + head) * width, width, values + to);
      }
      for (int64_t head = 0; head < own && b < lists; head++)
        positions[(b * own + head) * capacity + row] = m_.Position(b);
    }
  }

  void Attend(int64_t layer) {
    const float *keys = m_.Weight(kKeys, layer), *values = m_.Weight(kValues, layer);
    const float* positions = m_.Weight(kPositions, layer);
    const int64_t rows = m_.Row(layer) + 1, capacity = m_.Capacity(layer), width = m_.width, group = m_.heads / m_.kv_heads;
    const int64_t lists = m_.run.Dim(m_.At(kPositions, layer), 0), own = m_.run.Dim(m_.At(kPositions, layer), 1);
    const HeadShape shape = {static_cast<int>(width), m_.scale, m_.softcap, m_.Window(layer)};
    Each(m_.batch * m_.heads, m_.batch * m_.heads * rows * width * 2, [&](int64_t i) {
      const int64_t b = i / m_.heads, head = i % m_.heads, kv = head / group;
      const int64_t list = (lists == 1 ? 0 : b) * own + (own == 1 ? 0 : kv), from = (b * m_.kv_heads + kv) * capacity * width;
      float log_sum;
      const int held = static_cast<int>(rows);
      inner().attend_few(shape, {keys + from, held, nullptr}, {values + from, held, nullptr},
                         positions + list * capacity, held, qkv_.data() + b * m_.Columns() + head * width, m_.Position(b),
                         attended_.data() + i * width, &log_sum);
    });
  }

  Model& m_;
  std::vector<float> x_, normed_, change_, inverse_, qkv_, attended_, gate_up_, gated_;
};

// Inputs: step [2·(layers + batch)] (each layer's row that new keys and values go to, each layer's window or 0, each
// sequence's token, and its position); embedding [vocabulary, hidden]; final norm; head [hidden, vocabulary], or empty
// where it is the embedding; cosines and signed sines of all positions [positions, width]; then, each a list over the
// layers, keys and values [batch, kvHeads, capacity, width] and positions [batch or 1, kvHeads or 1, capacity], in which
// that row is written, and the weights as in LayerWeights (src/models/decoder-layer.ts), empty where there are none.
// Rows behind the written one are not looked at. Outputs: the likeliest next tokens [batch], logits [batch, vocabulary].
void Decode(Run& run, const Attributes& attributes) {
  Model model(run, attributes);
  if (!model.Fits()) return run.Fail("KvdDecode: shapes, rows, tokens or positions do not fit together");
  Step step(model);
  step.Embed();
  for (int64_t layer = 0; layer < model.layers; layer++) step.Layer(layer);
  float *tokens = run.Out(0, {model.batch}), *logits = run.Out(1, {model.batch, model.vocabulary});
  step.Logits(logits);
  for (int64_t b = 0; b < model.batch; b++) {
    const float* own = logits + b * model.vocabulary;
    tokens[b] = static_cast<float>(std::max_element(own, own + model.vocabulary) - own);
  }
}

// Inputs: N tensors [lists, heads, rows, ...]. Outputs: these with `more` rows of zeros behind theirs.
void Grow(Run& run, const Attributes& attributes) {
  const int64_t more = attributes.i[0];
  for (int n = 0; n < run.Inputs(); n++) {
    const int64_t lists = run.Dim(n, 0) * run.Dim(n, 1), rows = run.Dim(n, 2), room = rows + more;
    const bool flat = run.Rank(n) == 3;
    const int64_t width = flat ? 1 : run.Dim(n, 3);
    const float* from = run.In(n);
    float* to = flat ? run.Out(n, {run.Dim(n, 0), run.Dim(n, 1), room})
                     : run.Out(n, {run.Dim(n, 0), run.Dim(n, 1), room, width});
    ParallelFor(lists, [&](int64_t list) {
      std::copy_n(from + list * rows * width, rows * width, to + list * room * width);
      std::fill_n(to + (list * room + rows) * width, more * width, 0.0f);
    });
  }
}

const Registered decode(
    {"KvdDecode",
     {"step: float", "embedding: float", "final_norm: float", "head: float", "cos: float", "signed_sin: float",
      "keys: N * float", "values: N * float", "positions: N * float", "input_norm: N * float",
      "qkv: N * float", "qkv_bias: N * float", "query_norm: N * float", "key_norm: N * float",
      "attention_out: N * float", "attention_out_bias: N * float", "post_attention_norm: N * float",
      "mlp_norm: N * float", "gate_up: N * float", "mlp_down: N * float", "post_mlp_norm: N * float"},
     {"tokens: float", "logits: float"},
     {"epsilon", "scale", "softcap", "logit_softcap", "embedding_scale", "logit_scale"},
     {"gelu"},
     Decode});
const Registered grow({"KvdGrow", {"x: N * float"}, {"y: N * float"}, {}, {"more"}, Grow});

}  // namespace
}  // namespace kvd
