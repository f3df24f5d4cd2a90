/** A results database as years of use would leave it. */
import Database from 'better-sqlite3';
import { Store } from '../dist/store/store.js';

const RUNS = 10_000;
const METRICS = 100;
const EVALUATED = 40;

/** Writes 10,000 runs with a million metric rows, of which 40 are evaluations of 50 samples with 3 cells each. */
export function largeStore(path) {
  Store.open(path).close();
  const db = new Database(path);
  const at = '2026-01-01T00:00:00.000Z';
  const run = db.prepare(
    `INSERT INTO runs (id, kind, name, config, config_hash, status, seed, code_version, engine, machine, started_at, ended_at)
     VALUES (?, ?, ?, ?, ?, 'finished', 1, '0.1.0', '{}', '{}', ?, ?)`,
  );
  const metric = db.prepare('INSERT INTO metrics (run_id, step, name, value, at) VALUES (?, ?, ?, ?, ?)');
  const cell = db.prepare(
    `INSERT INTO cells (run_id, model, method, method_options, budget, budget_label, retention, task, task_version, split, seed, eviction)
     VALUES (?, 'llama-small', 'kvd', '{}', ?, ?, ?, 'nano-qa', 1, 'test', 1, 'real')`,
  );
  const sample = db.prepare(
    `INSERT INTO samples (cell_id, sample_id, prompt, output, refs, tags, metrics, context_tokens, kept_tokens, bytes_before,
       bytes_after, compress_seconds, generate_seconds, at)
     VALUES (?, ?, 'q', 'a', '["a"]', '[]', '{"accuracy":1}', 100, 20, 1000, 200, 0.1, 0.1, ?)`,
  );
  db.transaction(() => {
    for (let i = 0; i < RUNS; i++) {
      const id = `run-${i}`;
      const kind = i < EVALUATED ? 'eval' : 'train';
      run.run(
        id,
        kind,
        `experiment-${i % 50}`,
        JSON.stringify({ name: `experiment-${i}`, seed: i }),
        `hash-${i}`,
        at,
        at,
      );
      for (let step = 0; step < METRICS; step++) metric.run(id, step, 'loss', 1 / (1 + step), at);
      if (kind !== 'eval') continue;
      for (const retention of [0.2, 0.1, 0.05]) {
        const budget = JSON.stringify({ kind: 'ratio', retention });
        const { lastInsertRowid } = cell.run(id, budget, `${100 * retention} %`, retention);
        for (let s = 0; s < 50; s++) sample.run(lastInsertRowid, `sample-${s}`, at);
      }
    }
  })();
  db.close();
}
