/** Pulling from a hub that has bad days. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkSnapshotFile, removeCached, snapshotFiles, snapshotFolder } from '../../../src/hub/cache.js';
import { modelFiles } from '../../../src/hub/model-files.js';
import { carryOut, planPull } from '../../../src/hub/pull.js';
import { parseRepository } from '../../../src/hub/repository.js';
import { hubSettings, type HubSettings } from '../../../src/hub/settings.js';
import {
  commitOf,
  gitSha1,
  sha256,
  startHub,
  type HubRepository,
  type StandInHub,
} from '../../helpers/hub.js';
import { problemOf, problemOfAsync } from '../../helpers/problems.js';

const weights = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251));
const tiny: HubRepository = {
  files: {
    'README.md': '---\nlicense: mit\n---\n',
    'config.json': '{"model_type":"llama"}',
    'model.safetensors': weights,
    'nested/extra.json': '{}',
    'pytorch_model.bin': Buffer.alloc(5000, 7),
    'tokenizer.json': '{}',
  },
  revisions: ['v2'],
};
const all = (names: readonly string[]): readonly string[] => names;

let hub: StandInHub;
let cache: string;
let settings: HubSettings;
let seen: number[];

beforeEach(async () => {
  hub = await startHub({
    'org/tiny': tiny,
    'org/gated': { ...tiny, gatedFor: 'secret' },
    'org/evil': { files: { '../../../escaped': 'x', 'config.json': '{}' } },
    'datasets/org/rows': { files: { 'train.jsonl': '{}\n' } },
  });
  cache = mkdtempSync(join(tmpdir(), 'kvd-hub-'));
  settings = { ...hubSettings({ ...hub.env(cache), HF_HUB_CACHE: cache }), retryMs: 5, timeoutMs: 400 };
  seen = [];
});
afterEach(() => hub.close());

async function pull(text = 'org/tiny', overrides: Partial<HubSettings> = {}, wanted = all): Promise<string> {
  const known = { ...settings, ...overrides };
  const plan = await planPull(parseRepository(text, 'model'), wanted, known);
  const progress = (bytes: number): void => void seen.push(bytes);
  return carryOut(plan, known, { progress, waiting: () => undefined });
}

const storageRequests = (): string[] => hub.requests.filter((line) => line.startsWith('STORAGE'));

describe('a pull', () => {
  it("lays files out as Hugging Face's cache has them, and finds them again by every name", async () => {
    const folder = await pull();
    const root = join(cache, 'models--org--tiny');
    const commit = commitOf(tiny);
    expect(folder).toBe(join(root, 'snapshots', commit));
    expect(readFileSync(join(root, 'refs', 'main'), 'utf8')).toBe(commit);
    expect(snapshotFiles(folder)).toEqual(Object.keys(tiny.files).sort());
    expect(readlinkSync(join(folder, 'model.safetensors'))).toBe(`../../blobs/${sha256(weights)}`);
    expect(readlinkSync(join(folder, 'nested/extra.json'))).toBe(
      `../../../blobs/${gitSha1(Buffer.from('{}'))}`,
    );
    for (const [name, data] of Object.entries(tiny.files)) {
      expect(sha256(readFileSync(join(folder, name)))).toBe(sha256(Buffer.from(data)));
    }
    expect(seen.at(-1)).toBe(
      Object.values(tiny.files).reduce((sum, data) => sum + Buffer.from(data).length, 0),
    );
    for (const name of ['org/tiny', `org/tiny@${commit}`, `org/tiny@${commit.slice(0, 9)}`]) {
      expect(snapshotFolder(parseRepository(name, 'model'), cache)).toBe(folder);
    }
    expect(snapshotFolder(parseRepository('org/tiny@v2', 'model'), cache)).toBeUndefined();
  });

  it('asks for no file twice, and for a new name of the same commit for none at all', async () => {
    await pull();
    const before = storageRequests().length;
    await pull('org/tiny@v2');
    expect(storageRequests()).toHaveLength(before);
    expect(snapshotFolder(parseRepository('org/tiny@v2', 'model'), cache)).toBeDefined();
  });

  it('sends the token to the hub and not to where the hub redirects', async () => {
    await pull('org/gated', { token: 'secret' });
    expect(
      hub.requests.filter((line) => line.startsWith('GET')).every((line) => line.endsWith(' token')),
    ).toBe(true);
    expect(storageRequests().length).toBeGreaterThan(0);
    expect(storageRequests().some((line) => line.endsWith(' token'))).toBe(false);
  });

  it('goes on where the connection broke off, by ranges', async () => {
    hub.faults = { cutAfter: (request) => (request < 3 ? 70_000 : undefined) };
    const folder = await pull('org/tiny', {}, () => ['model.safetensors']);
    expect(sha256(readFileSync(join(folder, 'model.safetensors')))).toBe(sha256(weights));
    const starts = storageRequests().map((line) => Number(/bytes=(\d+)-/.exec(line)?.[1] ?? 0));
    expect(starts).toHaveLength(4);
    expect([...starts].sort((a, b) => a - b)).toEqual(starts);
    expect(starts[1]).toBeGreaterThan(0);
  });

  it('goes on with what an earlier run has left', async () => {
    const blobs = join(cache, 'models--org--tiny', 'blobs');
    mkdirSync(blobs, { recursive: true });
    writeFileSync(join(blobs, `${sha256(weights)}.incomplete`), weights.subarray(0, 123_456));
    await pull('org/tiny', {}, () => ['model.safetensors']);
    expect(storageRequests()).toEqual([`STORAGE /${sha256(weights)} bytes=123456-`]);
    expect(seen[0]).toBe(123_456);
    expect(readdirSync(blobs)).toEqual([sha256(weights)]);
  });

  it('begins again where ranges are not understood', async () => {
    hub.faults = { noRanges: true, cutAfter: (request) => (request === 0 ? 70_000 : undefined) };
    const folder = await pull('org/tiny', {}, () => ['model.safetensors']);
    expect(sha256(readFileSync(join(folder, 'model.safetensors')))).toBe(sha256(weights));
    expect(seen.at(-1)).toBe(weights.length);
  });

  it('outlives a server that is silent or overloaded for a while', async () => {
    hub.faults = {
      silence: (request) => (request === 0 ? 2000 : 0),
      status: (request) => (request === 1 ? 503 : undefined),
    };
    const folder = await pull('org/tiny', {}, () => ['model.safetensors']);
    expect(sha256(readFileSync(join(folder, 'model.safetensors')))).toBe(sha256(weights));
  });

  it('fetches damaged files once more', async () => {
    hub.faults = { damage: (request) => request === 0 };
    const folder = await pull();
    for (const [name, data] of Object.entries(tiny.files)) {
      expect(sha256(readFileSync(join(folder, name)))).toBe(sha256(Buffer.from(data)));
    }
  });

  it.each(['model.safetensors', 'config.json'])(
    'keeps nothing of a %s that never arrives right',
    async (name) => {
      hub.faults = { damage: () => true };
      const problem = await problemOfAsync(pull('org/tiny', {}, () => [name]));
      expect(problem).toMatchObject({ code: 'wrong-checksum', where: `org/tiny: ${name}` });
      expect(readdirSync(join(cache, 'models--org--tiny', 'blobs'))).toEqual([]);
      expect(snapshotFolder(parseRepository('org/tiny', 'model'), cache)).toBeUndefined();
    },
  );

  it('gives up on a server that always breaks off, and says that it will go on', async () => {
    hub.faults = { cutAfter: () => 0 };
    const problem = await problemOfAsync(pull());
    expect(problem.code).toBe('unreachable');
    expect(problem.hint).toContain('goes on where it stopped');
  });

  it('explains a gated repository, with a token and without', async () => {
    const stranger = await problemOfAsync(pull('org/gated'));
    expect(stranger).toMatchObject({ code: 'access-refused' });
    expect(stranger.hint).toContain(`${hub.endpoint}/org/gated`);
    expect(stranger.hint).toContain('HF_TOKEN');
    const known = await problemOfAsync(pull('org/gated', { token: 'other' }));
    expect(known.hint).toContain('Your token is not enough');
    expect(`${known.describe()}`).not.toContain('other');
  });

  it.each([
    ['a repository that is not there', 'org/none', 'access-refused'],
    ['a revision that is not there', 'org/tiny@v9', 'not-found'],
    ['file names that lead outside', 'org/evil', 'unsafe-path'],
  ])('refuses %s', async (_what, name, code) => {
    expect(await problemOfAsync(pull(name))).toMatchObject({ code });
    expect(existsSync(join(cache, 'models--org--evil'))).toBe(false);
  });

  it('is not tried offline', async () => {
    const problem = await problemOfAsync(pull('org/tiny', { offline: true }));
    expect(problem.code).toBe('offline');
    expect(hub.requests).toEqual([]);
  });

  it('says so where there is no server', async () => {
    const problem = await problemOfAsync(pull('org/tiny', { endpoint: 'http://127.0.0.1:9' }));
    expect(problem.code).toBe('unreachable');
  });

  it('happens once where two processes want the same', async () => {
    await Promise.all([pull(), pull()]);
    expect(storageRequests()).toHaveLength(2);
  });
});

describe('what was pulled', () => {
  it('is checked against its checksums', async () => {
    const folder = await pull();
    expect((await checkSnapshotFile(folder, 'model.safetensors')).state).toBe('correct');
    expect((await checkSnapshotFile(folder, 'config.json')).state).toBe('correct');
    const blob = join(cache, 'models--org--tiny', 'blobs', sha256(weights));
    writeFileSync(blob, Buffer.concat([weights.subarray(0, -1), Buffer.from([0])]));
    expect((await checkSnapshotFile(folder, 'model.safetensors')).state).toBe('wrong');
    writeFileSync(join(folder, 'mine.txt'), 'x');
    expect((await checkSnapshotFile(folder, 'mine.txt')).state).toBe('unknown');
  });

  it('is removed by revision, but for what another revision needs', async () => {
    const folder = await pull();
    const root = join(cache, 'models--org--tiny');
    const other = join(root, 'snapshots', 'a'.repeat(40));
    mkdirSync(other);
    const shared = join(folder, 'config.json');
    const link = readlinkSync(shared);
    symlinkSync(link, join(other, 'config.json'));
    const outside = join(cache, 'mine');
    writeFileSync(outside, 'mine');
    symlinkSync(outside, join(root, 'blobs', 'leads-out'));
    symlinkSync('nowhere', join(root, 'blobs', 'leads-nowhere'));
    symlinkSync('nowhere', join(other, 'leads-nowhere'));
    expect(removeCached(parseRepository('org/tiny@main', 'model'), false, cache)).toBeGreaterThan(
      weights.length,
    );
    expect(existsSync(folder)).toBe(false);
    expect(readFileSync(join(other, 'config.json'), 'utf8')).toBe(tiny.files['config.json']);
    expect(readdirSync(join(root, 'blobs'))).toHaveLength(1);
    expect(readFileSync(outside, 'utf8')).toBe('mine');
    expect(lstatSync(root).isDirectory()).toBe(true);
    removeCached(parseRepository('org/tiny', 'model'), true, cache);
    expect(existsSync(root)).toBe(false);
    const problem = problemOf(() => removeCached(parseRepository('org/tiny', 'model'), true, cache));
    expect(problem.code).toBe('not-pulled');
  });
});

describe('names', () => {
  it.each(['', 'a/b/c', '../x', 'a/..', 'a/b@', 'a/b@../x', 'a/b@c@d', 'a--b/c', 'a b/c', '/a', 'a/b@/x'])(
    'refuses %j',
    (text) => {
      expect(problemOf(() => parseRepository(text, 'model')).code).toBe('bad-repository');
    },
  );

  it('takes branches with slashes and datasets', async () => {
    expect(parseRepository('a/b@refs/convert/parquet', 'dataset')).toEqual({
      kind: 'dataset',
      id: 'a/b',
      revision: 'refs/convert/parquet',
    });
    const plan = await planPull(parseRepository('org/rows', 'dataset'), all, settings);
    await carryOut(plan, settings, { progress: () => undefined, waiting: () => undefined });
    expect(existsSync(join(cache, 'datasets--org--rows', 'refs', 'main'))).toBe(true);
  });

  it("leave other formats of a model's weights alone", () => {
    const names = [
      'README.md',
      'LICENSE',
      'config.json',
      'consolidated.safetensors',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.gguf',
      'original/params.json',
      'pytorch_model.bin',
      'tokenizer.model',
    ];
    expect(modelFiles(names)).toEqual(names.filter((name) => !/consolidated|gguf|original|bin$/.test(name)));
    expect(modelFiles(['consolidated.safetensors'])).toEqual(['consolidated.safetensors']);
  });
});

describe('settings', () => {
  it("are Hugging Face's own", () => {
    const home = mkdtempSync(join(tmpdir(), 'kvd-home-'));
    writeFileSync(join(home, 'token'), 'from-file\n');
    expect(hubSettings({ HF_HOME: home, HF_ENDPOINT: 'http://mirror/', HF_HUB_OFFLINE: '1' })).toMatchObject({
      endpoint: 'http://mirror',
      token: 'from-file',
      offline: true,
      cache: join(home, 'hub'),
      timeoutMs: 10_000,
    });
    expect(hubSettings({ HF_HOME: home, HF_TOKEN: 'given' }).token).toBe('given');
    expect(problemOf(() => hubSettings({ HF_HOME: home, HF_ENDPOINT: 'nowhere' })).code).toBe('bad-endpoint');
  });
});
