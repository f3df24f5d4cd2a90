/**
 * Decoding behind a compressed cache and behind an ordinary one of as many rows, in turn in one process: two processes
 * that do the same differ by more than these do.
 */
import { decoding } from './decode.mjs';
import { randomDecoder } from './model.mjs';

export function prepare(work, shape) {
  const { model } = randomDecoder(shape);
  const { kept: _, ...ordinary } = { ...work, rows: work.kept };
  const sides = {
    compressed: decoding(model, work, shape),
    ordinary: decoding(model, ordinary, shape),
  };
  const sideSeconds = { compressed: [], ordinary: [] };
  const order = Object.keys(sides);
  const run = () => {
    for (const side of order.reverse()) {
      const began = performance.now();
      sides[side]();
      sideSeconds[side].push((performance.now() - began) / 1000);
    }
  };
  return { run, sideSeconds };
}
