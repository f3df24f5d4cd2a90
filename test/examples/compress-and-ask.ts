import {
  ask,
  askStream,
  compress,
  contextSize,
  loadAdapter,
  loadCache,
  loadModel,
  saveCache,
} from 'kv-distill';
import { readFileSync } from 'node:fs';

const model = await loadModel('llama-long');
const adapter = loadAdapter(model);
const report = readFileSync('datasets/nano-report.txt', 'utf8').trimEnd();

// Once: a fifth of the rows stay.
const context = await compress(model, report, { adapter, retention: 0.2, foldTokens: 600 });
const { rows, tokens, bytes, uncompressedBytes } = contextSize(context);
console.log(`${rows} of ${tokens} rows, ${Math.round((100 * bytes) / uncompressedBytes)} % of the bytes`);
saveCache('runs/report.kvd.safetensors', context);

// Many times, in any process that has the model.
const loaded = loadCache('runs/report.kvd.safetensors', model);
console.log(
  await ask(model, loaded, 'which stone does Port Hadley have? obsidian A, pumice B, marble C, opal D'),
);
for await (const piece of askStream(model, loaded, 'what is the color of Bella Gallo?')) console.log(piece);
