/**
 * Writes test/golden/schemas/N.sql: the database as the commit that brought schema N made it, with a row in every
 * table. Run in a checkout with its history: node test/golden/make/schemas.mjs
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import ts from 'typescript';

const COMMITS = { 1: '5da1fbc', 2: '4b24b0c' };
const ROWS = `INSERT INTO runs VALUES ('mh2k3x9a', 'eval', 'old', '{"a":1}', 'h', 'finished', 1, '0.0.1', NULL, '{}', '{}', '2025-01-01T00:00:00.000Z', '2025-01-01T00:01:00.000Z', NULL);
INSERT INTO metrics VALUES ('mh2k3x9a', 10, 'loss', 0.5, '2025-01-01T00:00:30.000Z');
INSERT INTO cells VALUES (1, 'mh2k3x9a', 'm', 'kvd', '{}', NULL, '{}', '25 %', 0.25, 't', 1, 'test', 1, 'real');
INSERT INTO samples VALUES (1, 'a', 'p', 'o', '["o"]', '["x"]', '{"accuracy":1,"kl":null}', 10, 5, 8, 4, 0.5, 0.25, '2025-01-01T00:00:40.000Z');
INSERT INTO samples VALUES (1, 'b', 'p', 'o', '["o"]', '[]', '{"accuracy":0,"kl":2}', 20, 5, 8, 4, 0.5, 0.25, '2025-01-01T00:00:50.000Z');
INSERT INTO artifacts VALUES ('mh2k3x9a', 'adapter', 'runs/x', 'abc');
`;

mkdirSync('test/golden/schemas', { recursive: true });
for (const [version, commit] of Object.entries(COMMITS)) {
  const source = execFileSync('git', ['show', `${commit}:src/store/schema.ts`], { encoding: 'utf8' });
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(source, { compilerOptions: options });
  const { migrations } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`);
  const database = new Database(':memory:');
  migrations.forEach((migration) => database.exec(migration));
  const made = database.prepare('SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid').pluck().all();
  writeFileSync(
    `test/golden/schemas/${version}.sql`,
    `-- Schema ${version} as commit ${commit} made it (make/schemas.mjs), with a row in every table.\n` +
      `${made.map((sql) => `${sql};`).join('\n')}\n${ROWS}PRAGMA user_version = ${migrations.length};\n`,
  );
}
