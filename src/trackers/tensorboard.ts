/** TensorBoard's event files: records of the protocol buffer `Event` (tensorboard/compat/proto/event.proto). */
import { appendFileSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileError } from '../base/files.js';
import { maskedCrc32c } from './crc32c.js';
import type { Row, Tracker } from './tracker.js';

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** A field of wire type 2: bytes, a string or a message. */
function block(field: number, content: Uint8Array): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([varint((field << 3) | 1), bytes]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | 5), bytes]);
}

/** A record: length, its checksum, the data, its checksum (TFRecord). */
function record(data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  const checksum = (bytes: Uint8Array): Buffer => {
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(maskedCrc32c(bytes));
    return sum;
  };
  return Buffer.concat([length, checksum(length), data, checksum(data)]);
}

/** The first record of a file. */
export function versionRecord(at: number): Buffer {
  return record(Buffer.concat([double(1, at / 1000), block(3, Buffer.from('brain.Event:2'))]));
}

/** A step's values as a record: Event { wall_time, step, summary { value { tag, simple_value } … } }. */
export function scalarsRecord({ step, at, values }: Row): Buffer {
  const summary = Object.entries(values).map(([tag, value]) =>
    block(1, Buffer.concat([block(1, Buffer.from(tag)), float(2, value)])),
  );
  const stepField = Buffer.concat([varint(2 << 3), varint(step)]);
  return record(Buffer.concat([double(1, at / 1000), stepField, block(5, Buffer.concat(summary))]));
}

export const tensorboard: Tracker = {
  name: 'tensorboard',
  summary: 'event files under tensorboard/, for `tensorboard --logdir`',
  reference: 'https://github.com/tensorflow/tensorboard',
  open: ({ id, name, folder }) => {
    const place = join(folder, 'tensorboard', `${name}-${id}`);
    const seconds = Math.floor(Date.now() / 1000);
    const file = join(place, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`);
    const write = (bytes: Buffer): void => {
      try {
        appendFileSync(file, bytes);
      } catch (error) {
        throw fileError(error, file);
      }
    };
    try {
      mkdirSync(place, { recursive: true });
    } catch (error) {
      throw fileError(error, place);
    }
    write(versionRecord(Date.now()));
    return Promise.resolve({ log: (row) => write(scalarsRecord(row)), end: () => Promise.resolve() });
  },
};
