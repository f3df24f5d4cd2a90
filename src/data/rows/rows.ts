/** Records of files, by number: what every reader of a format gives. */

/** One record: a line, an element, a row. */
export interface Row {
  /** An object of columns, unless the file is at fault. */
  value: unknown;
  /** Place for messages: `file:line`, or `file, row n`. */
  where: string;
  /** The file, and the record's number in it from 1. */
  file: string;
  number: number;
}

/** Records that stay on disk: one is read when it is asked for. Asking twice gives the same. */
export interface Rows {
  readonly size: number;
  get(index: number): Row;
  /** Sizes of the stretches that are read at once, where single records cannot be: the row groups of Parquet. */
  readonly stretches?: readonly number[];
}

/** Where each of several stretches begins, one after the other, and where the last ends. */
export function startsOf(sizes: readonly number[]): number[] {
  const starts = [0];
  for (const size of sizes) starts.push(starts.at(-1)! + size);
  return starts;
}

/** The records of several files, one after the other. */
export function concatRows(parts: readonly Rows[]): Rows {
  if (parts.length === 1) return parts[0]!;
  const starts = startsOf(parts.map(({ size }) => size));
  const size = starts.at(-1)!;
  const grouped = parts.some(({ stretches }) => stretches !== undefined);
  return {
    size,
    get: (index) => {
      let low = 0;
      let high = parts.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (starts[middle]! <= index) low = middle;
        else high = middle - 1;
      }
      return parts[low]!.get(index - starts[low]!);
    },
    ...(grouped && { stretches: parts.flatMap((part) => part.stretches ?? [part.size]) }),
  };
}
