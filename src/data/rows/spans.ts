/** Where the records of a text file begin and end: an index that is all of a large file that is kept in memory. */
import { closeSync, openSync, readSync } from 'node:fs';
import { UserError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';

export const NEWLINE = 10;
const CHUNK = 4 * 2 ** 20;
/** Bytes of the longest record: a book has a few millions. */
const MAX_RECORD = 256 * 2 ** 20;

/** Growing lists of numbers, of 20 bytes a record. */
export class Spans {
  private starts = new Float64Array(1024);
  private ends = new Float64Array(1024);
  private lines = new Uint32Array(1024);
  size = 0;

  /** Adds a record: bytes [start, end), first line (from 1). */
  push(start: number, end: number, line: number): void {
    if (this.size === this.starts.length) {
      const grown = <T extends Float64Array | Uint32Array>(old: T, fresh: T): T => {
        fresh.set(old);
        return fresh;
      };
      this.starts = grown(this.starts, new Float64Array(2 * this.size));
      this.ends = grown(this.ends, new Float64Array(2 * this.size));
      this.lines = grown(this.lines, new Uint32Array(2 * this.size));
    }
    this.starts[this.size] = start;
    this.ends[this.size] = end;
    this.lines[this.size] = line;
    this.size += 1;
  }

  line(index: number): number {
    return this.lines[index]!;
  }

  /** Column of a record's first byte, from 1, in a line of whatever length up to 64 KiB before it. */
  column(path: string, index: number): number {
    const start = this.starts[index]!;
    const before = readBytes(path, Math.max(0, start - 2 ** 16), Math.min(start, 2 ** 16));
    return before.length - before.lastIndexOf(NEWLINE);
  }

  /** A record's bytes, read from the file. */
  read(path: string, index: number): Buffer {
    return readBytes(path, this.starts[index]!, this.ends[index]! - this.starts[index]!);
  }
}

/** `length` bytes of a file from `start` on. */
export function readBytes(path: string, start: number, length: number): Buffer {
  if (length > MAX_RECORD) {
    throw new UserError('record-too-long', `a record of ${length} bytes; ${MAX_RECORD} are allowed`, {
      where: path,
      hint: 'Is the file of the format that its name says?',
    });
  }
  try {
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(length);
      for (let done = 0; done < length;) {
        const read = readSync(file, bytes, done, length - done, start + done);
        if (read === 0)
          throw new UserError('file-changed', 'has become shorter since it was opened', { where: path });
        done += read;
      }
      return bytes;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Gives a file's bytes to `take`, a piece at a time, with the place of each piece's first byte. */
export function scanFile(path: string, take: (bytes: Buffer, at: number) => void): void {
  try {
    const file = openSync(path, 'r');
    try {
      const buffer = Buffer.alloc(CHUNK);
      for (let at = 0; ;) {
        const read = readSync(file, buffer, 0, CHUNK, at);
        if (read === 0) return;
        take(buffer.subarray(0, read), at);
        at += read;
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** UTF-8 bytes as text, without a byte order mark; other bytes are a UserError. */
export function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new UserError('bad-encoding', 'holds bytes that are not UTF-8', {
      where,
      hint: 'Save the file as UTF-8.',
    });
  }
}

/** Whether a byte is white space of ASCII. */
export const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);

/** The lines of a file that hold more than white space. */
export function lineSpans(path: string): Spans {
  const spans = new Spans();
  let start = 0;
  let line = 1;
  let blank = true;
  let end = 0;
  scanFile(path, (bytes, at) => {
    for (let from = 0; from < bytes.length;) {
      const found = bytes.indexOf(NEWLINE, from);
      const stop = found < 0 ? bytes.length : found;
      for (let i = from; blank && i < stop; i++) blank = isSpace(bytes[i]!);
      if (found < 0) break;
      if (!blank) spans.push(start, at + found, line);
      start = at + found + 1;
      line += 1;
      blank = true;
      from = found + 1;
    }
    end = at + bytes.length;
  });
  if (!blank) spans.push(start, end, line);
  return spans;
}
