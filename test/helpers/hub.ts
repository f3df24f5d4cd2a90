/** A stand-in for the Hugging Face hub on this machine: its API, its redirects to storage, and its bad days. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubRepository {
  /** Contents by name. */
  files: Record<string, Buffer | string>;
  /** Who may have the files: anybody, or who brings this token. */
  gatedFor?: string;
  /** Names beside `main` that lead to the one commit. */
  revisions?: string[];
}

/** What goes wrong; each is told the request's number for its file, from 0, and the place of the first byte. */
export interface Faults {
  /** Bytes of a reply after which the connection is cut. */
  cutAfter?: (request: number) => number | undefined;
  /** Whether the bytes are damaged on the way. */
  damage?: (request: number) => boolean;
  /** Milliseconds of silence before the first byte. */
  silence?: (request: number) => number;
  /** Status instead of the file. */
  status?: (request: number) => number | undefined;
  /** Ranges are not understood: every reply is the whole file. */
  noRanges?: boolean;
}

export interface StandInHub {
  endpoint: string;
  faults: Faults;
  /** `GET path range token`, in order; storage's requests begin with `STORAGE`. */
  requests: string[];
  /** Environment of a process that takes this for the hub. */
  env(home: string): Record<string, string>;
  close(): Promise<void>;
}

/** Bytes from which a file is kept in storage, under its SHA-256. */
const LARGE = 1000;
/** Files on one page of a listing. */
const PAGE = 3;

/** `digest`, reckoned once for each buffer: a checkpoint's takes seconds. */
function once(digest: (data: Buffer) => string): (data: Buffer) => string {
  const known = new WeakMap<Buffer, string>();
  return (data) => {
    const found = known.get(data) ?? digest(data);
    known.set(data, found);
    return found;
  };
}

export const sha256 = once((data) => createHash('sha256').update(data).digest('hex'));
export const gitSha1 = once((data) =>
  createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex'),
);

const bufferOf = (content: Buffer | string): Buffer =>
  typeof content === 'string' ? Buffer.from(content) : content;

/** The commit of a repository: any 40 digits that its contents decide. */
export function commitOf({ files }: HubRepository): string {
  const parts = Object.entries(files).map(([name, data]) => `${name} ${sha256(bufferOf(data))}`);
  return createHash('sha1').update(parts.join('\n')).digest('hex');
}

function listen(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(handler);
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/**
 * Starts a hub that serves `repositories`, by `org/name` for models and `datasets/org/name` for datasets. Large files
 * are sent from another address, as the hub's are, to which no token may go.
 */
export async function startHub(repositories: Record<string, HubRepository>): Promise<StandInHub> {
  const requests: string[] = [];
  const counts = new Map<string, number>();
  const hub = { faults: {} as Faults, requests };

  const note = (kind: string, { url, headers }: IncomingMessage): void => {
    const range = headers.range === undefined ? '' : ` ${headers.range}`;
    requests.push(
      `${kind} ${url!.split('?')[0]}${range}${headers.authorization === undefined ? '' : ' token'}`,
    );
  };

  const send = (request: IncomingMessage, response: ServerResponse, whole: Buffer, name: string): void => {
    const { faults } = hub;
    const number = counts.get(name) ?? 0;
    counts.set(name, number + 1);
    const status = faults.status?.(number);
    if (status !== undefined) return void response.writeHead(status).end();
    const asked = /^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1];
    const start = asked === undefined || faults.noRanges === true ? 0 : Number(asked);
    const rest = whole.subarray(start);
    const data = faults.damage === undefined ? rest : Buffer.from(rest);
    if (faults.damage?.(number) === true && data.length > 0) data[data.length - 1]! ^= 1;
    const headers: Record<string, string | number> = {
      'content-length': data.length,
      'accept-ranges': 'bytes',
    };
    if (start > 0) headers['content-range'] = `bytes ${start}-${whole.length - 1}/${whole.length}`;
    const cut = faults.cutAfter?.(number);
    setTimeout(
      () => {
        response.writeHead(start > 0 ? 206 : 200, headers);
        if (cut === undefined) response.end(data);
        else response.write(data.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
      },
      faults.silence?.(number) ?? 0,
    );
  };

  const storage = await listen((request, response) => {
    note('STORAGE', request);
    const wanted = request.url!.slice(1);
    const all = Object.values(repositories).flatMap(({ files }) => Object.values(files).map(bufferOf));
    const found = all.find((data) => sha256(data) === wanted);
    if (found === undefined) response.writeHead(404).end();
    else send(request, response, found, wanted);
  });

  const server = await listen((request, response) => {
    note('GET', request);
    const { pathname, searchParams } = new URL(request.url!, 'http://hub');
    const api = /^\/api\/(models|datasets)\/(.+?)\/(revision|tree)\/([^/]+)$/.exec(pathname);
    const file = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    const id = api === null ? (file?.[1] ?? '') : api[1] === 'models' ? api[2]! : `datasets/${api[2]}`;
    const repository = repositories[id];
    if (repository === undefined) {
      // The hub does not tell strangers which repositories there are.
      return json(
        response,
        401,
        { error: 'Invalid username or password.' },
        { 'x-error-code': 'RepoNotFound' },
      );
    }
    const commit = commitOf(repository);
    const revision = decodeURIComponent(api?.[4] ?? file![2]!);
    if (!['main', commit, ...(repository.revisions ?? [])].includes(revision)) {
      return json(response, 404, { error: 'Invalid rev id' }, { 'x-error-code': 'RevisionNotFound' });
    }
    if (api?.[3] === 'revision') {
      return json(response, 200, {
        _id: '1',
        id: api[2],
        sha: commit,
        private: false,
        gated: repository.gatedFor !== undefined ? 'manual' : false,
        downloads: 0,
        likes: 0,
        lastModified: '2025-01-01T00:00:00.000Z',
      });
    }
    if (api?.[3] === 'tree') {
      const from = Number(searchParams.get('cursor') ?? 0);
      const entries = Object.entries(repository.files).map(([path, content]) => {
        const data = bufferOf(content);
        const lfs = { oid: sha256(data), size: data.length, pointerSize: 130 };
        return {
          type: 'file',
          path,
          size: data.length,
          oid: gitSha1(data),
          ...(data.length >= LARGE && { lfs }),
        };
      });
      const next = `<${addressOf(server)}${pathname}?cursor=${from + PAGE}>; rel="next"`;
      return json(
        response,
        200,
        entries.slice(from, from + PAGE),
        from + PAGE < entries.length ? { link: next } : {},
      );
    }
    if (
      repository.gatedFor !== undefined &&
      request.headers.authorization !== `Bearer ${repository.gatedFor}`
    ) {
      const status = request.headers.authorization === undefined ? 401 : 403;
      return json(
        response,
        status,
        { error: `Access to model ${id} is restricted.` },
        { 'x-error-code': 'GatedRepo' },
      );
    }
    const content = repository.files[decodeURIComponent(file![3]!)];
    if (content === undefined) return json(response, 404, {}, { 'x-error-code': 'EntryNotFound' });
    const data = bufferOf(content);
    if (data.length < LARGE) return send(request, response, data, pathname);
    response.writeHead(302, {
      location: `${addressOf(storage)}/${sha256(data)}`,
      'x-linked-size': data.length,
      'x-linked-etag': `"${sha256(data)}"`,
    });
    response.end();
  });

  return Object.assign(hub, {
    endpoint: addressOf(server),
    env: (home: string) => ({ HF_ENDPOINT: addressOf(server), HF_HOME: home, HF_HUB_DOWNLOAD_TIMEOUT: '5' }),
    close: async () => {
      for (const each of [server, storage]) {
        each.closeAllConnections();
        await new Promise((resolve) => each.close(resolve));
      }
    },
  });
}
