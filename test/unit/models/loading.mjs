/** Loads the checkpoint in the folder argv[2], and tells its parent how many bytes of memory that took at most. */
import { readFileSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../../dist/engine/index.js';
import { loadDecoder } from '../../../dist/models/checkpoint.js';

const bytes = (field) =>
  1024 * Number(new RegExp(`${field}:\\s*(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))[1]);

await startEngine();
// What TensorFlow makes for itself before its first op is none of the weights'.
tf.tidy(() => tf.transpose(tf.mul(tf.ones([64, 32]), 2)).dataSync());
const before = bytes('VmRSS');
// From here on VmHWM is the peak.
writeFileSync('/proc/self/clear_refs', '5');
loadDecoder(process.argv[2]);
process.send({ taken: bytes('VmHWM') - before });
process.once('disconnect', () => process.exit());
