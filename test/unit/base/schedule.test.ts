import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { runPieces, type Piece } from '../../../src/base/schedule.js';

/** Pieces that write down when they begin and end. */
function recorder(): {
  log: string[];
  piece: (name: string, rest?: Partial<Piece<string>>) => Piece<string>;
} {
  const log: string[] = [];
  const piece = (name: string, rest: Partial<Piece<string>> = {}): Piece<string> => ({
    ...rest,
    run: async () => {
      log.push(`${name} begins`);
      await sleep(5);
      log.push(`${name} ends`);
      return name;
    },
  });
  return { log, piece };
}

it('runs one after another where there is one job', async () => {
  const { log, piece } = recorder();
  expect(await runPieces([piece('a'), piece('b')], 1)).toEqual(['a', 'b']);
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});

it('never uses a resource twice at once, and waits for what makes it', async () => {
  const { log, piece } = recorder();
  const pieces = [
    piece('a', { resource: 'x' }),
    piece('b', { resource: 'x' }),
    piece('c', { after: ['x'] }),
    piece('d'),
  ];
  expect(await runPieces(pieces, 3)).toEqual(['a', 'b', 'c', 'd']);
  const at = (event: string): number => log.indexOf(event);
  expect(at('d begins')).toBeLessThan(at('a ends'));
  expect(at('b begins')).toBeGreaterThan(at('a ends'));
  expect(at('c begins')).toBeGreaterThan(at('b ends'));
});

it('begins nothing after a failure, ends what runs, then throws it', async () => {
  const { log, piece } = recorder();
  const broken: Piece<string> = { run: () => Promise.reject(new Error('broken')) };
  let told = 0;
  await expect(runPieces([piece('a'), broken, piece('b')], 2, () => told++)).rejects.toThrow('broken');
  expect(log).toEqual(['a begins', 'a ends']);
  expect(told).toBe(1);
});
