/** Bytes of stored floats as float32, converted where they lie. */

export const floatSizes = { F64: 8, F32: 4, F16: 2, BF16: 2 } as const;
export type FloatDtype = keyof typeof floatSizes;

export function isFloatDtype(dtype: string): dtype is FloatDtype {
  return Object.hasOwn(floatSizes, dtype);
}

function halfToFloat(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves: Float32Array | undefined;

/**
 * Fills `into` with as many stored floats. Halves are read into the second half of `into` itself and widened from
 * the front, so that nothing is allocated beside it; only float64 needs a buffer of its own.
 * @param read fills the given bytes with what is stored, little-endian
 */
export function readFloats(dtype: FloatDtype, into: Float32Array, read: (bytes: Uint8Array) => void): void {
  const { buffer, byteOffset, length } = into;
  if (dtype === 'F32') return read(new Uint8Array(buffer, byteOffset, 4 * length));
  if (dtype === 'F64') {
    const wide = new Float64Array(length);
    read(new Uint8Array(wide.buffer));
    return into.set(wide);
  }
  const stored = new Uint16Array(buffer, byteOffset + 2 * length, length);
  read(new Uint8Array(buffer, stored.byteOffset, 2 * length));
  if (dtype === 'F16') {
    halves ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => halfToFloat(half));
    for (let i = 0; i < length; i++) into[i] = halves[stored[i]!]!;
  } else {
    const bits = new Uint32Array(buffer, byteOffset, length);
    for (let i = 0; i < length; i++) bits[i] = stored[i]! << 16;
  }
}
