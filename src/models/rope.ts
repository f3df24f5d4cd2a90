/** Rotary position embedding: frequencies and tables, rounded as Transformers rounds them. */
import type { RopeConfig } from './config.js';

/**
 * Inverse frequencies theta^(-2i/D), float32, with linear or llama3 scaling.
 * (transformers `modeling_rope_utils`; llama3: arXiv 2407.21783)
 */
export function inverseFrequencies(rope: RopeConfig, headDim: number): Float32Array {
  const plain = Float32Array.from({ length: headDim / 2 }, (_, i) => 1 / rope.theta ** ((2 * i) / headDim));
  if (rope.type === 'default') return plain;
  if (rope.type === 'linear') return plain.map((frequency) => frequency / rope.factor);
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original } = rope;
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength > original / lowFreqFactor) return frequency / factor;
    if (wavelength < original / highFreqFactor) return frequency;
    const smooth = (original / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** Cosines and sines, each [positions, headDim] laid out as cat(freqs, freqs); angles are float32 products. */
export function cosSin(
  inverse: Float32Array,
  positions: ArrayLike<number>,
): { cos: Float32Array; sin: Float32Array } {
  const half = inverse.length;
  const cos = new Float32Array(positions.length * 2 * half);
  const sin = new Float32Array(positions.length * 2 * half);
  for (let p = 0; p < positions.length; p++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(positions[p]! * inverse[i]!);
      const at = p * 2 * half + i;
      cos[at] = cos[at + half] = Math.cos(angle);
      sin[at] = sin[at + half] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
