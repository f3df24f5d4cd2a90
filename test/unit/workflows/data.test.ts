/** Fetching datasets, finding them again, and counting their tokens. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { datasets } from '../../../src/data/index.js';
import { fetchedFiles } from '../../../src/data/origin.js';
import { pullData, type DataPull } from '../../../src/workflows/data-pull.js';
import { dataStatistics, lengthsOf } from '../../../src/workflows/data-stats.js';
import { inspectDataset, showPassages } from '../../../src/workflows/data.js';
import { startHub, type StandInHub } from '../../helpers/hub.js';
import { problemOfAsync } from '../../helpers/problems.js';

const home = mkdtempSync(join(tmpdir(), 'kvd-data-'));
const book = {
  instruction: 'Below is some paragraphs in the book, T.\n A book. \n Now the material ends. What is it?',
  output: 'A book.',
};
let hub: StandInHub;

beforeAll(async () => {
  hub = await startHub({
    'datasets/Yukang/LongAlpaca-12k': {
      files: { 'LongAlpaca-12k.json': JSON.stringify([book]), 'other.json': '[]', 'README.md': '' },
    },
    'datasets/org/mine': { files: { 'a/train.csv': 'a,b\n1,2\n', 'model.bin': 'x' } },
  });
});
afterAll(() => hub.close());
afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

function pull(name: string, more: Partial<DataPull> = {}): ReturnType<typeof pullData> {
  for (const [key, value] of Object.entries({ ...hub.env(home), KVD_DATA: join(home, 'kvd') }))
    vi.stubEnv(key, value);
  return pullData({ name, splits: [], include: [], quiet: true, note: () => undefined, ...more });
}

describe('a dataset', () => {
  it('of the hub is read from where it was pulled to', async () => {
    const pulled = await pull('long-alpaca');
    expect(pulled).toMatchObject({ files: ['LongAlpaca-12k.json'], licence: 'CC BY-NC 4.0' });
    const passage = datasets.get('long-alpaca').open({}, 'train').get(0);
    expect(passage).toMatchObject({
      context: 'A book.',
      questions: [{ question: 'What is it?', answers: ['A book.'] }],
    });
    expect(inspectDataset('long-alpaca').text).toContain('LongAlpaca-12k.json (');
  });

  it('of files at addresses is fetched, checked, and read by its split', async () => {
    const wrong = Buffer.from('{}');
    const asked: string[] = [];
    const serve = (body: Buffer | string) => (url: string) => {
      asked.push(url);
      return Promise.resolve(new Response(body));
    };
    vi.stubGlobal('fetch', serve('{"instruction":"I","input":"C","output":"A"}\n'));
    await pull('self-instruct');
    expect(datasets.get('self-instruct').open({}, 'train').get(0).context).toBe('C');
    await pull('self-instruct');
    expect(asked).toHaveLength(1);
    vi.stubGlobal('fetch', serve(wrong));
    const problem = await problemOfAsync(pull('squad', { splits: ['train'] }));
    expect(problem).toMatchObject({ code: 'wrong-checksum' });
    expect(problem.where).toMatch(/train-v1\.1\.json$/);
    const { origin } = datasets.get('squad');
    expect(fetchedFiles(origin!, 'squad', 'train')).toEqual([]);
  });

  it.skipIf(!hasShared())('announces the checksums of the files that lie in ../shared/data', async () => {
    vi.stubGlobal('fetch', (url: string) => {
      const name = url.split('/').at(-1)!;
      const folder = url.includes('SQuALITY') ? 'squality' : 'needle';
      return Promise.resolve(new Response(readFileSync(join('../shared/data', folder, name))));
    });
    expect((await pull('squality')).files).toEqual(['train.jsonl', 'dev.jsonl', 'test.jsonl']);
    expect(datasets.get('squality').open({}, 'validation').size).toBe(25);
    await pull('needle');
    expect(datasets.get('needle').open({ lengths: [50] }, 'test').size).toBe(5);
  });

  it('of any name of the hub is fetched, as far as it can be read', async () => {
    const { folder, files } = await pull('org/mine');
    expect(files).toEqual(['a/train.csv']);
    const options = { data: folder, context: 'a', answer: 'b', prompt: 'Which?' };
    expect(datasets.get('records').open(options, 'test').get(0)).toEqual({
      id: 'train.csv/1',
      context: '1',
      questions: [{ id: 'train.csv/1', question: 'Which?', answers: ['2'] }],
    });
  });

  it.each([
    ['nano', {}, 'nothing-to-pull'],
    ['squad', { splits: ['tset'] }, 'unknown-split'],
    ['squat', {}, 'unknown-dataset'],
  ])('%s %j: %s', async (name, more, code) => {
    expect(await problemOfAsync(pull(name, more))).toMatchObject({ code });
  });
});

function hasShared(): boolean {
  try {
    return readFileSync('../shared/data/squality/dev.jsonl').length > 0;
  } catch {
    return false;
  }
}

describe('statistics', () => {
  it('of lengths', () => {
    expect(lengthsOf([])).toEqual({ count: 0, average: 0, median: 0, p95: 0, max: 0 });
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(lengthsOf(values)).toEqual({ count: 100, average: 50.5, median: 50, p95: 95, max: 100 });
  });

  it('count what a model reads', async () => {
    const found = await dataStatistics({
      dataset: 'nano',
      split: 'test',
      model: 'llama-small',
      limit: 20,
      set: ['max_facts=5'],
      quiet: true,
    });
    expect(found).toMatchObject({ passages: 20, unanswered: 0 });
    expect(found.question.count).toBe(found.answer.count);
    // One token a word of at most 5 statements of at most 7 words, 3 fillers and BOS.
    expect(found.context.max).toBeLessThan(80);
    expect(found.answer).toMatchObject({ median: 2, max: 3 });
  });

  it('are of the only split where there is no test set', async () => {
    await pull('long-alpaca');
    const asked = { split: undefined, model: 'llama-small', limit: 5, set: [], quiet: true };
    const found = await dataStatistics({ ...asked, dataset: 'long-alpaca' });
    expect(found).toMatchObject({ split: 'train', passages: 1 });
    expect(showPassages({ dataset: 'long-alpaca', limit: 1, set: [] }).text).toContain('A book.');
    expect((await dataStatistics({ ...asked, dataset: 'nano' })).split).toBe('test');
  });
});
