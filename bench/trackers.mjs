/**
 * A short training logged to TensorBoard, an MLflow server, CSV and JSON Lines at once, read back with TensorBoard's,
 * MLflow's, Trackio's and Weights & Biases' own libraries, and compared with the database: `npm run build && node bench/trackers.mjs`.
 * Values must be equal; TensorBoard keeps 32 bits of them, Trackio's reader of CSV ten letters of their names. Each library gets an environment of its own in the cache.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Store } from '../dist/store/store.js';
import { pythonWith } from './environment.mjs';

const PACKAGES = ['tensorboard==2.21.0', 'mlflow==3.17.2', 'trackio==0.43.0', 'wandb==0.31.0'];
const [tensorboard, mlflow, trackio, wandb] = PACKAGES.map((name) =>
  pythonWith('trackers', name, [name], name),
);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kvd-trackers-'));
const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

/** A port that is free now. */
async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

async function mlflowServer() {
  const port = await freePort();
  const store = ['--backend-store-uri', `sqlite:///${join(folder, 'mlflow.db')}`];
  const server = spawn(
    mlflow,
    ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', `${port}`, ...store],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  let said = '';
  server.stderr.on('data', (data) => (said += data));
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    try {
      if ((await fetch(`${url}/health`)).ok) break;
    } catch {
      // Not listening yet.
    }
    if (server.exitCode !== null || tries === 600) throw new Error(`MLflow's server did not start: ${said}`);
    await pause(500);
  }
  return { url, stop: () => process.kill(-server.pid) };
}

/** Steps and values by metric. */
function read(python, ...args) {
  return JSON.parse(
    execFileSync(python, [here('peers/read_trackers.py'), ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
}

function stored(database) {
  const store = Store.open(database, { readonly: true });
  const found = {};
  for (const { step, name, value } of store.metrics(store.listRuns()[0].id))
    (found[name] ??= []).push([step, value]);
  store.close();
  return found;
}

const sorted = (metrics, round) =>
  JSON.stringify(
    Object.entries(metrics)
      .map(([name, points]) => [
        name,
        points.map(([step, value]) => [step, round(value)]).sort((a, b) => a[0] - b[0]),
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

const server = await mlflowServer();
try {
  const sets = ['max_steps=30', 'eval_steps=10', 'save_steps=10', 'eval_limit=4', 'micro_batch_size=2'];
  const args = [
    ...['train', here('../experiments/nano/table2-quick.yaml')],
    ...sets.flatMap((set) => ['--set', `training.${set}`]),
    ...['tensorboard', 'mlflow', 'csv', 'jsonl'].flatMap((name) => ['--tracker', name]),
  ];
  execFileSync(process.execPath, [here('../bin/run.js'), ...args], {
    cwd: folder,
    env: { ...process.env, MLFLOW_TRACKING_URI: server.url },
    stdio: 'inherit',
  });
  const database = join(folder, 'runs', 'kvd.sqlite');
  const ours = stored(database);
  const only = (...path) => {
    const place = join(dirname(database), ...path);
    return (ending) =>
      join(
        place,
        readdirSync(place).find((name) => name.endsWith(ending)),
      );
  };
  const theirs = {
    [PACKAGES[0]]: [read(tensorboard, 'tensorboard', only('tensorboard')('')), Math.fround],
    [PACKAGES[1]]: [read(mlflow, 'mlflow', server.url), Number],
    [PACKAGES[2]]: [read(trackio, 'trackio', only('metrics')('.csv'), only('metrics')('.jsonl')), Number],
    [PACKAGES[3]]: [read(wandb, 'wandb', only('metrics')('.csv'), only('metrics')('.jsonl')), Number],
  };
  const points = Object.values(ours).flat().length;
  for (const [name, [metrics, round]] of Object.entries(theirs)) {
    const same = sorted(metrics, round) === sorted(ours, round);
    console.log(
      `${name}: ${same ? `the same ${points} values of ${Object.keys(ours).length} metrics` : 'DIFFERS'}`,
    );
    if (same) continue;
    console.error(sorted(metrics, round), sorted(ours, round));
    process.exitCode = 1;
  }
} finally {
  server.stop();
  rmSync(folder, { recursive: true, force: true });
}
