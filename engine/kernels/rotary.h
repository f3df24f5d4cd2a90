// Rotary embedding (rotate-half convention) of heads that stand side by side in rows.
#ifndef KVD_ROTARY_H_
#define KVD_ROTARY_H_

#include <algorithm>
#include <cstdint>

#include "inner.h"

namespace kvd {

// Rows [batch·tokens, (queries + 2·keys)·width]; `tables` is batch, or 1 where all share the cosines and sines
// [tables, tokens, width], the first half of the sines negated.
struct Heads {
  int64_t batch, tokens, queries, keys, width, tables;

  int64_t Floats() const { return (queries + 2 * keys) * width; }

  // Calls each(place in the row from `first` on, head's place in its own tensor, place in the table, kind) for the heads
  // of some rows: kind 0 is a query's, 1 a key's, 2 a value's, which is not rotated.
  template <typename Each>
  void ForRows(int64_t first, int64_t count, const Each& each) const {
    for (int64_t row = first; row < first + count; row++) {
      const int64_t b = row / tokens, t = row % tokens;
      const int64_t table = ((tables == 1 ? 0 : b) * tokens + t) * width;
      for (int64_t head = 0; head < queries + 2 * keys; head++) {
        const int kind = head < queries ? 0 : head < queries + keys ? 1 : 2;
        const int64_t own = kind == 0 ? head : (head - queries) % keys;
        const int64_t heads = kind == 0 ? queries : keys;
        each((row - first) * Floats() + head * width, ((b * heads + own) * tokens + t) * width, table, kind);
      }
    }
  }

  // Splits rows `packed`, from row `first` of all on, into [batch, heads, tokens, width], rotated.
  void Split(int64_t first, int64_t count, const float* packed, const float* cos, const float* sin,
             float* const outs[3]) const {
    ForRows(first, count, [&](int64_t from, int64_t to, int64_t table, int kind) {
      const float* x = packed + from;
      float* y = outs[kind] + to;
      if (kind == 2) std::copy_n(x, width, y);
      else inner().rotate(x, cos + table, sin + table, static_cast<int>(width), y);
    });
  }

  // The gradient of rows in those of their heads.
  void Join(int64_t first, int64_t count, const float* const gradients[3], const float* cos, const float* sin,
            float* packed) const {
    ForRows(first, count, [&](int64_t to, int64_t from, int64_t table, int kind) {
      const float* dy = gradients[kind] + from;
      float* dx = packed + to;
      if (kind == 2) std::copy_n(dy, width, dx);
      else inner().rotate_back(dy, cos + table, sin + table, static_cast<int>(width), dx);
    });
  }
};

}  // namespace kvd

#endif  // KVD_ROTARY_H_
