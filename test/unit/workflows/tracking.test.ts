/** Trackers at the end of a run. */
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Store } from '../../../src/store/store.js';
import { openTracking } from '../../../src/workflows/tracking.js';
import { run } from '../../helpers/rows.js';

/** In milliseconds, on a busy machine; a call to the server may take twice as long. */
const LIMIT_MS = 5000;

it('a server that no longer answers does not hold up an interrupted run', async () => {
  const answers: Record<string, object> = {
    'experiments/get-by-name': { experiment: { experiment_id: '7' } },
    'runs/search': { runs: [{ info: { run_id: 'x' } }] },
    'runs/update': {},
  };
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://x').pathname.replace('/api/2.0/mlflow/', '');
    asked.push(path);
    if (path in answers) response.end(JSON.stringify(answers[path]));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  process.env.MLFLOW_TRACKING_URI = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = Store.open(join(mkdtempSync(join(tmpdir(), 'kvd-')), 'x.sqlite'));
  try {
    const tracking = await openTracking(store, store.createRun(run), ['mlflow']);
    tracking.log(1, { loss: 1 });
    const started = performance.now();
    await tracking.end('interrupted');
    expect(performance.now() - started).toBeLessThan(LIMIT_MS);
    expect(asked).toContain('runs/log-batch');
  } finally {
    delete process.env.MLFLOW_TRACKING_URI;
    store.close();
    server.closeAllConnections();
    server.close();
  }
});
