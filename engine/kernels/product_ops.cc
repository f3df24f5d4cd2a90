// Rows through a matrix.
#include "factor.h"
#include "inner.h"
#include "op.h"
#include "pool.h"
#include "weights.h"

namespace kvd {
namespace {

// Inputs: a [rows, depth], b [depth, columns], or [columns, depth] where it is transposed. Output: a · b.
void Product(Run& run, const Attributes& attributes) {
  const bool transposed = attributes.i[0] != 0;
  const int64_t rows = run.Dim(0, 0), depth = run.Dim(0, 1), columns = run.Dim(1, transposed ? 0 : 1);
  const float* a = run.In(0);
  const Factor b(run.In(1), depth, columns, transposed, transposed ? depth : columns);
  float* y = run.Out(0, {rows, columns});
  ForRows(rows, 0, [&](int64_t first, int64_t count, float*) {
    b.Multiply(count, Tiles(count, depth, a + first * depth).get(), nullptr, y + first * columns);
  });
}

// Inputs: a, b, dy. Outputs: da where gradients flow through to it, and db where b is learned (else no numbers).
void ProductGrad(Run& run, const Attributes& attributes) {
  const bool transposed = attributes.i[0] != 0, learned = attributes.i[1] != 0;
  const bool through = attributes.i[2] != 0;
  const int64_t rows = run.Dim(0, 0), depth = run.Dim(0, 1), columns = run.Dim(2, 1);
  const float *a = run.In(0), *dy = run.In(2);
  const Factor back(run.In(1), columns, depth, !transposed, transposed ? depth : columns);
  float* da = through ? run.OutLike(0, 0) : run.Out(0, {0});
  const int64_t summed = learned ? rows : 0;
  using Columns = Summand::Columns;
  Summand inputs(summed, depth, transposed ? Columns::kColumns : Columns::kRows);
  Summand slopes(summed, columns, transposed ? Columns::kRows : Columns::kColumns);
  ForRows(rows, 0, [&](int64_t first, int64_t count, float*) {
    const float *from = a + first * depth, *slope = dy + first * columns;
    if (through) back.Multiply(count, Tiles(count, columns, slope).get(), nullptr, da + first * depth);
    if (!learned) return;
    inputs.Take(first, count, from);
    slopes.Take(first, count, slope);
  });
  if (!learned) run.Out(1, {0});
  else if (transposed) Sum({{slopes, inputs, run.OutLike(1, 1), depth}});
  else Sum({{inputs, slopes, run.OutLike(1, 1), columns}});
}

// Input: a matrix [rows, columns]. Output: it transposed, or its columns in `parts` equal parts one behind the other, as
// panels [panels, depth, panel].
void Pack(Run& run, const Attributes& attributes) {
  const bool transposed = attributes.i[0] != 0;
  const int64_t rows = run.Dim(0, 0), columns = run.Dim(0, 1), parts = attributes.i[1], panel = inner().panel;
  const int64_t depth = transposed ? columns : rows, width = (transposed ? rows : columns) / parts;
  const float* w = run.In(0);
  float* panels = run.Out(0, {parts * Parts(width, panel), depth, panel});
  for (int64_t i = 0; i < parts; i++)
    PackPanels(w + i * width, depth, width, transposed, columns, panels + i * PanelFloats(depth, width));
}

const Registered pack({"KvdPack", {"matrix: float"}, {"panels: float"}, {}, {"transposed", "parts"}, Pack});
const Registered product(
    {"KvdProduct", {"a: float", "b: float"}, {"y: float"}, {}, {"transposed"}, Product});
const Registered product_grad({"KvdProductGrad",
                               {"a: float", "b: float", "dy: float"},
                               {"da: float", "db: float"},
                               {},
                               {"transposed", "learned", "through"},
                               ProductGrad});

}  // namespace
}  // namespace kvd
