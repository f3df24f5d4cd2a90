-- Schema 1 as commit 5da1fbc made it (make/schemas.mjs), with a row in every table.
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
INSERT INTO runs VALUES ('mh2k3x9a', 'eval', 'old', '{"a":1}', 'h', 'finished', 1, '0.0.1', NULL, '{}', '{}', '2025-01-01T00:00:00.000Z', '2025-01-01T00:01:00.000Z', NULL);
INSERT INTO metrics VALUES ('mh2k3x9a', 10, 'loss', 0.5, '2025-01-01T00:00:30.000Z');
INSERT INTO cells VALUES (1, 'mh2k3x9a', 'm', 'kvd', '{}', NULL, '{}', '25 %', 0.25, 't', 1, 'test', 1, 'real');
INSERT INTO samples VALUES (1, 'a', 'p', 'o', '["o"]', '["x"]', '{"accuracy":1,"kl":null}', 10, 5, 8, 4, 0.5, 0.25, '2025-01-01T00:00:40.000Z');
INSERT INTO samples VALUES (1, 'b', 'p', 'o', '["o"]', '[]', '{"accuracy":0,"kl":2}', 20, 5, 8, 4, 0.5, 0.25, '2025-01-01T00:00:50.000Z');
INSERT INTO artifacts VALUES ('mh2k3x9a', 'adapter', 'runs/x', 'abc');
PRAGMA user_version = 1;
