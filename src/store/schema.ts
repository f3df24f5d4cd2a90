/** The database's schema, as numbered migrations: number n brings `user_version` from n to n + 1. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    config TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'failed', 'interrupted')),
    seed INTEGER NOT NULL,
    code_version TEXT NOT NULL,
    git_commit TEXT,
    engine TEXT NOT NULL,
    machine TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    error TEXT
  ) STRICT;
  CREATE INDEX runs_by_hash ON runs (kind, config_hash, started_at);

  CREATE TABLE metrics (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    name TEXT NOT NULL,
    value REAL,
    at TEXT NOT NULL,
    PRIMARY KEY (run_id, name, step)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE cells (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    method TEXT NOT NULL,
    method_options TEXT NOT NULL,
    adapter_hash TEXT,
    budget TEXT NOT NULL,
    budget_label TEXT NOT NULL,
    retention REAL,
    task TEXT NOT NULL,
    task_version INTEGER NOT NULL,
    split TEXT NOT NULL,
    seed INTEGER NOT NULL,
    eviction TEXT NOT NULL CHECK (eviction IN ('real', 'masked')),
    UNIQUE (run_id, model, method, method_options, budget)
  ) STRICT;

  CREATE TABLE samples (
    cell_id INTEGER NOT NULL REFERENCES cells (id) ON DELETE CASCADE,
    sample_id TEXT NOT NULL,
    prompt TEXT NOT NULL,
    output TEXT NOT NULL,
    refs TEXT NOT NULL,
    tags TEXT NOT NULL,
    metrics TEXT NOT NULL,
    context_tokens INTEGER NOT NULL,
    kept_tokens INTEGER NOT NULL,
    bytes_before INTEGER NOT NULL,
    bytes_after INTEGER NOT NULL,
    compress_seconds REAL NOT NULL,
    generate_seconds REAL NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (cell_id, sample_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE artifacts (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (run_id, kind, path)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Sums over each cell's samples, kept up by a trigger, so that a report does not read every sample.
  -- Samples are only ever added, or deleted with their cell. A name that begins with a dot is a column of samples.
  CREATE TABLE totals (
    cell_id INTEGER NOT NULL REFERENCES cells (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    n INTEGER NOT NULL,
    total REAL NOT NULL,
    squares REAL NOT NULL,
    PRIMARY KEY (cell_id, name)
  ) STRICT, WITHOUT ROWID;

  CREATE VIEW sample_values (cell_id, sample_id, name, value) AS
    SELECT cell_id, sample_id, key, value FROM samples, json_each(samples.metrics)
      WHERE json_each.type IN ('integer', 'real')
    UNION ALL SELECT cell_id, sample_id, '.context_tokens', context_tokens FROM samples
    UNION ALL SELECT cell_id, sample_id, '.kept_tokens', kept_tokens FROM samples
    UNION ALL SELECT cell_id, sample_id, '.bytes_before', bytes_before FROM samples
    UNION ALL SELECT cell_id, sample_id, '.bytes_after', bytes_after FROM samples
    UNION ALL SELECT cell_id, sample_id, '.compress_seconds', compress_seconds FROM samples
    UNION ALL SELECT cell_id, sample_id, '.generate_seconds', generate_seconds FROM samples;

  INSERT INTO totals SELECT cell_id, name, count(*), sum(value), sum(value * value)
    FROM sample_values GROUP BY cell_id, name;

  CREATE TRIGGER samples_add_up AFTER INSERT ON samples BEGIN
    INSERT INTO totals SELECT cell_id, name, 1, value, value * value
      FROM sample_values WHERE cell_id = NEW.cell_id AND sample_id = NEW.sample_id
      ON CONFLICT (cell_id, name) DO UPDATE
        SET n = n + 1, total = total + excluded.total, squares = squares + excluded.squares;
  END;
  `,
];
