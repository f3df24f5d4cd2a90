/** `kvd serve`: a model and compressed contexts behind OpenAI's chat completions, until it is told to stop. */
import { basename } from 'node:path';
import { serve as listen, type ServerType } from '@hono/node-server';
import { UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { loadContext } from '../contexts/file.js';
import { checkAccess, type Access } from '../server/access.js';
import { watchSignals } from '../engine/abandon.js';
import { ApiError } from '../server/errors.js';
import { makeService, type ServerLimits, type Service } from '../server/app.js';
import { openCompressor } from './compress.js';
import { loadModel } from './session.js';

/** How long requests that are under way may take once the server is told to stop. */
const GRACE_MS = 10_000;
/** How often connections that wait for nothing are closed meanwhile. */
const SWEEP_MS = 50;

export interface ServeOptions extends Access {
  /** Files of contexts to begin with; each is called by its file's name. */
  contexts: readonly string[];
  model: string;
  adapter?: string | undefined;
  method?: string | undefined;
  set?: readonly string[] | undefined;
  'fold-tokens'?: number | undefined;
  retention: number;
  /** 0 = any that is free. */
  port: number;
  limits: ServerLimits;
  /** Takes lines for the log. */
  log: (line: string) => void;
}

export interface Running {
  url: string;
  service: Service;
  /** Ends what is under way, then the server. */
  stop(): Promise<void>;
}

/** The name of a context's file without its ending. */
function idOf(path: string): string {
  return basename(path).replace(/(\.kvd)?\.safetensors$/, '');
}

function listening(
  service: Service,
  { host, port }: ServeOptions,
): Promise<{ server: ServerType; port: number }> {
  return new Promise((resolve, reject) => {
    const server = listen({ fetch: service.app.fetch, hostname: host, port }, (address) =>
      resolve({ server, port: address.port }),
    );
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const hint = 'Choose another port with --port; 0 takes any that is free.';
      const told = new UserError('port-taken', `port ${port} of ${host} is in use`, { hint, cause: error });
      reject(taken ? told : (fileError(error, `${host}:${port}`) as Error));
    });
  });
}

/** Answers what is under way and refuses what comes, then closes; what takes longer than the grace is cut off. */
async function stopServer(server: ServerType, service: Service): Promise<void> {
  const cut = setTimeout(() => {
    if ('closeAllConnections' in server) server.closeAllConnections();
  }, GRACE_MS);
  await service.close();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Clients keep a connection for their next request once its answer has come.
  const sweep = setInterval(() => {
    if ('closeIdleConnections' in server) server.closeIdleConnections();
  }, SWEEP_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

/** Starts the server; it runs until `stop`. */
export async function startServer(options: ServeOptions): Promise<Running> {
  checkAccess(options);
  const model = await loadModel(options.model);
  const { compressor, adapter } = openCompressor(model, options);
  const service = makeService({
    model,
    compressor,
    retention: options.retention,
    access: options,
    limits: options.limits,
    onError: (error) => options.log(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  });
  const release = (): void => {
    adapter?.dispose();
    model.dispose();
  };
  try {
    for (const path of options.contexts) {
      const id = idOf(path);
      if (service.shelf.list().some((shelved) => shelved.id === id)) {
        throw new UserError('same-name', `two contexts would be called ${JSON.stringify(id)}`, {
          where: path,
        });
      }
      service.shelf.add(id, basename(path), loadContext(path, model));
    }
    const { server, port } = await listening(service, options);
    const host = options.host.includes(':') ? `[${options.host}]` : options.host;
    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await stopServer(server, service);
      release();
    };
    return { url: `http://${host}:${port}/v1`, service, stop: () => (stopped ??= stop()) };
  } catch (error) {
    await service.close();
    release();
    throw error instanceof ApiError ? new UserError(error.code, error.message, { cause: error }) : error;
  }
}

/** Starts the server and waits until the process is told to stop; a second signal ends it at once. */
export async function serveUntilStopped(options: ServeOptions): Promise<{ url: string }> {
  const running = await startServer(options);
  options.log(`Serving ${options.model} at ${running.url}; Ctrl-C ends it.`);
  await new Promise<void>((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) process.exit(130);
      asked = true;
      options.log('Stopping: what is under way is answered first; once more to stop at once.');
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    // A second one ends even a computation.
    watchSignals(['SIGINT', 'SIGTERM']);
  });
  await running.stop();
  return { url: running.url };
}
