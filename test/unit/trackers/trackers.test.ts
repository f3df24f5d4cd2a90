/** What trackers write and send: formats as their readers document them. */
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from '../../../src/trackers/crc32c.js';
import { trackers } from '../../../src/trackers/index.js';
import type { TrackedRun } from '../../../src/trackers/tracker.js';

const AT = Date.UTC(2026, 0, 2);
const runIn = (folder: string): TrackedRun => ({
  id: 'r1',
  name: 'run',
  kind: 'train',
  config: { seed: 1, method: { name: 'kvd' } },
  folder,
  history: [{ step: 10, at: AT, values: { loss: 3 } }],
});
const fresh = (): TrackedRun => runIn(mkdtempSync(join(tmpdir(), 'kvd-track-')));

async function track(name: string, run: TrackedRun): Promise<void> {
  const opened = await trackers.get(name).open(run);
  opened.log({ step: 20, at: AT, values: { loss: 2.5, 'a,"b': 1 } });
  opened.log({ step: 300, at: AT, values: { loss: 1.25 } });
  opened.log({ step: 300, at: AT, values: { validation: 0.5 } });
  await opened.end('finished');
}

describe('tensorboard', () => {
  it('checks sums as RFC 3720 and TensorFlow do', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    // 0x8a9136aa turned right by 15 bits, plus 0xa282ead8.
    expect(maskedCrc32c(Buffer.alloc(32))).toBe(
      (((0x8a9136aa >>> 15) | (0x8a9136aa << 17)) + 0xa282ead8) >>> 0,
    );
  });

  it('writes records whose sums hold, with steps and 32-bit values', async () => {
    const run = fresh();
    await track('tensorboard', run);
    const place = join(run.folder, 'tensorboard', 'run-r1');
    const bytes = readFileSync(join(place, readdirSync(place)[0]!));
    const records: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = Number(bytes.readBigUInt64LE(at));
      expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)));
      const data = bytes.subarray(at + 12, at + 12 + length);
      expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
      records.push(data);
      at += 16 + length;
    }
    expect(records).toHaveLength(4);
    expect(records[0]!.subarray(9).toString('latin1')).toBe('\x1a\x0dbrain.Event:2');
    // Event: wall_time (fixed64), step 300 (varint), summary { value { tag "loss", simple_value 1.25 } }.
    expect(records[2]!.toString('hex').slice(18)).toBe(
      '10ac02' + '2a0d' + '0a0b' + '0a046c6f7373' + '150000a03f',
    );
  });
});

it('csv and jsonl hold every step once, those before an interruption too', async () => {
  const run = fresh();
  for (const name of ['csv', 'jsonl']) await track(name, run);
  const read = (kind: string): string => readFileSync(join(run.folder, 'metrics', `run-r1.${kind}`), 'utf8');
  expect(parse(read('csv'), { columns: true })).toEqual([
    { step: '10', timestamp: '2026-01-02T00:00:00.000Z', loss: '3', 'a,"b': '', validation: '' },
    { step: '20', timestamp: '2026-01-02T00:00:00.000Z', loss: '2.5', 'a,"b': '1', validation: '' },
    { step: '300', timestamp: '2026-01-02T00:00:00.000Z', loss: '1.25', 'a,"b': '', validation: '0.5' },
  ]);
  const lines = read('jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines.at(-1)).toEqual({ step: 300, timestamp: AT / 1000, loss: 1.25, validation: 0.5 });
  expect(lines).toHaveLength(3);
});

describe('mlflow', () => {
  it('makes experiment and run once, finds it again, and keeps metrics while the server is away', async () => {
    const calls: { path: string; body: Record<string, unknown> }[] = [];
    let refuse = 0;
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (data: Buffer) => (text += data.toString()));
      request.on('end', () => {
        const path = new URL(request.url!, 'http://x').pathname.replace('/api/2.0/mlflow/', '');
        const answer = (status: number, value: object): void =>
          void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
        if (path === 'runs/log-batch' && text.includes('metrics') && refuse-- > 0) return answer(503, {});
        calls.push({ path, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) });
        if (path === 'experiments/get-by-name') return answer(404, {});
        if (path === 'experiments/create') return answer(200, { experiment_id: '7' });
        const known = calls.some((call) => call.path === 'runs/create') ? [{ info: { run_id: 'x' } }] : [];
        if (path === 'runs/search') return answer(200, { runs: known });
        if (path === 'runs/create') return answer(200, { run: { info: { run_id: 'x' } } });
        return answer(200, {});
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    process.env.MLFLOW_TRACKING_URI = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    refuse = 1;
    await track('mlflow', fresh());
    await track('mlflow', fresh());
    delete process.env.MLFLOW_TRACKING_URI;
    server.close();
    const of = (path: string): Record<string, unknown>[] =>
      calls.filter((call) => call.path === path).map(({ body }) => body);
    expect(of('runs/create')).toHaveLength(1);
    const [params, ...batches] = of('runs/log-batch');
    expect(params).toEqual({
      run_id: 'x',
      params: [
        { key: 'seed', value: '1' },
        { key: 'method.name', value: 'kvd' },
      ],
    });
    const sent = batches.flatMap(({ metrics }) => metrics as { key: string; step: number; value: number }[]);
    const half = sent.slice(0, sent.length / 2).map(({ key, step, value }) => [key, step, value]);
    expect(half).toEqual([
      ['loss', 20, 2.5],
      ['a,"b', 20, 1],
      ['loss', 300, 1.25],
      ['validation', 300, 0.5],
    ]);
    expect(of('runs/update').map(({ status }) => status)).toEqual(['FINISHED', 'RUNNING', 'FINISHED']);
    await expect(trackers.get('mlflow').open(fresh())).rejects.toMatchObject({ code: 'no-mlflow' });
  });
});
