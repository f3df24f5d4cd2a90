/** One file over HTTP: resumed where it stopped, checked before it gets its name. */
import { existsSync, mkdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { Hash } from 'node:crypto';
import { dirname } from 'node:path';
import { UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { feedFile, startDigest, type Digest } from './digest.js';
import { ConnectionError, isConnectionError, refusal, unreachable, type Asked } from './errors.js';
import type { HubSettings } from './settings.js';

export interface Download {
  url: string;
  /** Where the finished file goes; `<path>.incomplete` until then, as Python's huggingface_hub has it. */
  path: string;
  /** Bytes, where they are known before. */
  size?: number | undefined;
  /** Checksum, where it is known before. */
  digest?: Digest | undefined;
  /** Sent to `url` alone, not to where it redirects. */
  token?: string | undefined;
  asked: Asked;
}

/** Failures in a row, without a new byte between them, after which a download is given up. */
const MOST_FAILURES = 5;
/** Times that a whole file may arrive wrong. */
const MOST_WRONG = 2;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** The first byte that a reply of status 206 brings. */
function firstByte(response: Response): number {
  return Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? NaN);
}

/** Appends a reply's body to a file; a connection without a byte for `timeoutMs` is given up. */
async function append(
  response: Response,
  file: FileHandle,
  hash: Hash | undefined,
  stalled: { restart(): void },
  onBytes: (count: number) => void,
): Promise<void> {
  for await (const chunk of response.body ?? []) {
    stalled.restart();
    const bytes = chunk as Uint8Array;
    for (let done = 0; done < bytes.byteLength;) {
      done += (await file.write(bytes, done, bytes.byteLength - done)).bytesWritten;
    }
    hash?.update(bytes);
    onBytes(bytes.byteLength);
  }
}

/** A signal that fires when `restart` was not called for `ms`. */
function watchdog(ms: number): { signal: AbortSignal; restart(): void; stop(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new DOMException('', 'TimeoutError')), ms);
  return {
    signal: controller.signal,
    restart: () => void timer.refresh(),
    stop: () => clearTimeout(timer),
  };
}

/**
 * One connection: asks for what is missing of `partial` and appends it.
 * @returns the checksum of the whole, in hex, where one was asked for
 */
async function connect(
  download: Download,
  partial: string,
  settings: HubSettings,
  onBytes: (count: number) => void,
): Promise<string | undefined> {
  const { url, size, digest, token, asked } = download;
  // Without a checksum nothing says that the rest belongs to what is there.
  if (digest === undefined || (size !== undefined && sizeOf(partial) > size))
    rmSync(partial, { force: true });
  let start = sizeOf(partial);
  const begin = (): Hash | undefined => digest && startDigest(digest.algorithm, size ?? 0);
  let hash = begin();
  if (hash !== undefined && start > 0) await feedFile(hash, partial);
  if (start === size) return hash?.digest('hex');
  const dog = watchdog(settings.timeoutMs);
  try {
    const response = await fetch(url, {
      headers: {
        'accept-encoding': 'identity',
        ...(start > 0 && { range: `bytes=${start}-` }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      signal: dog.signal,
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw refusal(response.status, asked) ?? new ConnectionError(`status ${response.status}`);
    }
    if (start > 0 && (response.status !== 206 || firstByte(response) !== start)) {
      // The server sends the whole file again.
      truncateSync(partial);
      onBytes(-start);
      start = 0;
      hash = begin();
    }
    const file = await open(partial, 'a');
    try {
      await append(response, file, hash, dog, onBytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    dog.stop();
  }
  const found = sizeOf(partial);
  if (size !== undefined && found < size)
    throw new ConnectionError(`the connection ended after ${found} of ${size} bytes`);
  return hash?.digest('hex');
}

/**
 * Fetches a file unless it is there. What a lost connection or an earlier run has left is gone on with where a
 * checksum can tell that it fits; a file whose size or checksum is wrong is fetched once more, then refused.
 * @param onBytes told of bytes as they arrive (those that are there already first); negative where they were in vain
 * @throws UserError where the server refuses, stays away, or sends something else than it announced
 */
export async function downloadFile(
  download: Download,
  settings: HubSettings,
  onBytes: (count: number) => void = () => undefined,
): Promise<void> {
  const { path, size, digest, asked } = download;
  if (existsSync(path) && (size === undefined || sizeOf(path) === size)) return onBytes(sizeOf(path));
  const partial = `${path}.incomplete`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    let counted = 0;
    const count = (bytes: number): void => {
      counted += bytes;
      onBytes(bytes);
    };
    if (digest !== undefined) count(sizeOf(partial));
    let failures = 0;
    for (let wrong = 0; ;) {
      const before = sizeOf(partial);
      let hex: string | undefined;
      try {
        hex = await connect(download, partial, settings, count);
      } catch (error) {
        if (!isConnectionError(error)) throw error;
        failures = sizeOf(partial) > before ? 1 : failures + 1;
        if (failures >= MOST_FAILURES) throw unreachable(error, asked, digest !== undefined);
        if (digest === undefined) count(-counted);
        await sleep(settings.retryMs * 2 ** (failures - 1));
        continue;
      }
      const found = sizeOf(partial);
      if ((size === undefined || found === size) && hex === digest?.hex) break;
      rmSync(partial, { force: true });
      count(-counted);
      if (++wrong < MOST_WRONG) continue;
      const expected = `${size ?? 'any number of'} bytes, ${digest === undefined ? 'any checksum' : `${digest.algorithm} ${digest.hex}`}`;
      throw new UserError(
        'wrong-checksum',
        `what arrived is not what was announced (${found} bytes, ${hex}; expected ${expected})`,
        {
          where: asked.where,
          hint: 'Nothing was kept of it. A proxy or a mirror may be at fault: try again, or check HF_ENDPOINT.',
          exitCode: 1,
        },
      );
    }
    renameSync(partial, path);
  } catch (error) {
    throw fileError(error, path);
  }
}
