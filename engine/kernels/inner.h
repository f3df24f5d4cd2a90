// The inner loops, compiled once for each instruction set.
#ifndef KVD_INNER_H_
#define KVD_INNER_H_

#include <cstdint>

namespace kvd {

// Queries and keys that attend to each other at once.
constexpr int kQueryBlock = 24;
constexpr int kKeyBlock = 96;
// Blocks of queries that one thread takes at a time: it reads a block of keys and values once for all of them.
constexpr int kBlocksTogether = 8;

// Keys and values of one head that some query may see, packed in blocks of kKeyBlock; what is behind the last of them is
// never seen.
struct PackedHead {
  int count;
  int* rows;         // where each came from
  float* positions;  // behind the last: later than any query
  float* keys_t;     // [blocks, width, kKeyBlock]
  float* values;     // forward: [count, padded]; backward: transposed as keys_t
  float* keys;       // backward: [count, padded]
};

// Rows of one head's keys or values, in one piece or two.
struct HeadRows {
  const float* rows;
  int count;
  const float* rest;  // those from row `count` on, if there are any
};

// One head's attention; widths are padded to whole vectors by `Padded`.
struct HeadShape {
  int width;
  float scale;
  float softcap;  // 0 for none
  float window;   // tokens, the query itself included; 0 for none
};

// A gated MLP from `hidden` columns to `width`; gelu: tanh's approximation, else silu.
struct GatedShape {
  int hidden, width;
  bool gelu;
};

// h · gate and h · up as panels [panels, rows, panel] that begin `apart` floats behind each other; null for nowhere.
struct KeptPanels {
  float *gate, *up;
  int64_t apart;
};

// Where the gradient of `down` finds its summands: what was gated, as panels of `tall` columns that begin `apart` floats
// behind each other. Null where nothing is learned.
struct GatedPanels {
  float* gated;
  int64_t apart;
};

struct Inner {
  // Floats of a row of `width`, up to a whole vector.
  int (*padded)(int width);

  void (*norm_forward)(const float* x, const float* gain, float eps, int64_t rows, int width, float* y,
                       float* inverse);
  // What norm_forward made of x, of the factors that it left.
  void (*norm_again)(const float* x, const float* gain, const float* inverse, int64_t rows, int width, float* y);
  // Adds to gain_gradient [width].
  void (*norm_gain_gradient)(const float* x, const float* inverse, const float* dy, int64_t rows, int width,
                             float* gain_gradient);
  // The gradient in x alone, added to `straight` [rows, width] unless that is null.
  void (*norm_input_gradient)(const float* x, const float* gain, const float* inverse, const float* dy, int64_t rows,
                              int width, const float* straight, float* dx);

  // y = a + b.
  void (*add_rows)(const float* a, const float* b, int64_t count, float* y);
  // Rotary embedding of one head (rotate-half convention), x · cos + its halves swapped · signed_sin; y may be x.
  void (*rotate)(const float* x, const float* cos, const float* signed_sin, int width, float* y);
  // The gradient of x.
  void (*rotate_back)(const float* dy, const float* cos, const float* signed_sin, int width, float* dx);

  // gate_up [rows, 2·width], gelu: tanh's approximation, else silu.
  void (*gate_forward)(const float* gate_up, int64_t rows, int width, bool gelu, float* y);
  void (*gate_backward)(const float* gate_up, const float* dy, int64_t rows, int width, bool gelu, float* gradient);

  // Gathers those of `rows` rows of keys and values, `width` wide, that stand at positions in (least, most].
  void (*pack)(const HeadRows& keys, const HeadRows& values, const float* positions, int rows, int width, float least,
               float most, bool backward, PackedHead* packed);
  // `count` queries [count, width], at most kBlocksTogether blocks, to out (rows `stride` apart) and the logarithms of
  // their softmax's sums.
  void (*attend)(const HeadShape& shape, const PackedHead& packed, const float* queries, const float* positions,
                 int count, float* out, int64_t stride, float* log_sums);
  // One query over keys and values as they are: where few queries come, packing is not worth it.
  void (*attend_few)(const HeadShape& shape, const HeadRows& keys, const HeadRows& values,
                     const float* key_positions, int rows, const float* query, float position, float* out,
                     float* log_sum);
  // Adds to key_gradient and value_gradient [packed, padded]; writes query_gradient [count, width].
  void (*attend_backward)(const HeadShape& shape, const PackedHead& packed, const float* queries,
                          const float* positions, int count, const float* out, const float* dout, int64_t stride,
                          const float* log_sums, float* query_gradient, float* key_gradient,
                          float* value_gradient);

  // C[rows, columns] += A transposed · B, A[depth, rows]; strides of A's, B's and C's rows.
  void (*add_product)(int rows, int columns, int depth, const float* a, int64_t a_row, const float* b, int64_t b_row,
                      float* c, int64_t c_row);

  // Columns of a panel of B [depth, columns], which is packed as [panels, depth, panel], zero behind the last column.
  int panel;
  // Packs the panel of `columns` columns that begins at B's element `b`; strides of B's rows and columns.
  void (*pack_panel)(const float* b, int64_t b_row, int64_t b_column, int depth, int columns, float* panel);
  // The same for panels of `tall` columns, which become rows of a product.
  int tall;
  void (*pack_tall)(const float* b, int64_t b_row, int64_t b_column, int depth, int columns, float* panel);
  // C[height, panel] += A · B for panels of both, A's as pack_tall makes them and `height` of its columns. Fetches up to
  // `fetched` · depth floats from `next` on.
  int fetched;
  void (*add_tall)(int height, int depth, const float* a, const float* panel, float* c, int64_t c_row,
                   const float* next);
  // Rows of A [rows, depth] that are multiplied at once. They are packed as tiles [tiles, depth, tile]; behind the last
  // row stands anything.
  int tile;
  void (*pack_rows)(int rows, int depth, const float* a, int64_t a_row, float* tiles);
  // C[rows, columns] = plus + A[rows, depth] · B, both packed; C and `plus` (null for nothing) have this stride of rows.
  void (*multiply)(int rows, int columns, int depth, const float* tiles, const float* panels, const float* plus,
                   float* c, int64_t c_row);
  // C[rows, columns] (+)= A · B[depth, columns], where A is `depth` columns of tiles that have `whole` of them; strides of
  // B's and C's rows.
  void (*product_of_tiles)(int rows, int columns, int depth, const float* tiles, int64_t whole, const float* b,
                           int64_t b_row, float* c, int64_t c_row, bool add);
  // activation(h · gate) · (h · up) for `rows` rows of h, from tiles and to tiles; matrices are packed.
  void (*gated_forward)(const GatedShape& shape, int rows, const float* tiles, const float* gate, const float* up,
                        const KeptPanels& kept, float* gated);
  // From tiles of the slopes of what went through `down` to tiles of those of h · gate and h · up, side by side; `down`
  // is packed transposed. Where something is learned, these slopes take the place of what was kept, too.
  void (*gated_backward)(const GatedShape& shape, int rows, const float* tiles, const float* down,
                         const KeptPanels& kept, const GatedPanels& learned, float* both);

  // share · (λ·KL(p‖q) + (1 − λ)·KL(q‖p)) of the distributions of two rows of logits, p = teacher; writes its gradient in
  // the student's [count].
  float (*mixed_kl)(const float* teacher, const float* student, int count, float share, float forward_weight,
                    float* slope);

  // share · cross entropy of a row of logits; writes its gradient [count].
  float (*cross_entropy)(const float* logits, int count, int label, float share, float* slope);

  // Moments are updated where they stand.
  void (*adamw)(int64_t count, const float* settings, const float* parameter, const float* gradient, float* first,
                float* second, float* new_parameter);
  // The sum of squares, in double precision.
  double (*squares)(const float* x, int64_t count);

  // C[rows, columns] = A[rows, depth] · B[depth, columns] for few rows, each of which gets the same as alone.
  void (*few_rows)(int rows, int columns, int depth, const float* a, int64_t a_row, const float* b, int64_t b_row,
                   float* c, int64_t c_row);
  // C[rows, count] = A[rows, depth] · B[count, depth] transposed, likewise.
  void (*few_dots)(int rows, int count, int depth, const float* a, int64_t a_row, const float* b, int64_t b_row,
                   float* c, int64_t c_row);
  // cap · tanh(x / cap), in place.
  void (*soft_cap)(float* x, int count, float cap);
};

// That of the machine's processor.
const Inner& inner();

extern const Inner kInnerBase;
extern const Inner kInnerAvx2;
extern const Inner kInnerAvx512;

}  // namespace kvd

#endif  // KVD_INNER_H_
