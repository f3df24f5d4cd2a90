/** An MLflow server, by its REST API (https://mlflow.org/docs/latest/rest-api.html): MLFLOW_TRACKING_URI names it. */
import { UserError } from '../base/errors.js';
import type { End, Row, TrackedRun, Tracker } from './tracker.js';

/** Most metrics of one log-batch call (the API's limit). */
const BATCH = 1000;
/** Longest value of a parameter that every server takes. */
const LONGEST = 500;
const STATUS: Record<End, string> = { finished: 'FINISHED', failed: 'FAILED', interrupted: 'KILLED' };

type Json = Record<string, unknown>;

class Server {
  private readonly headers: Record<string, string>;

  constructor(private readonly base: string) {
    const token = process.env.MLFLOW_TRACKING_TOKEN;
    const { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password = '' } = process.env;
    const basic =
      user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const authorization = token === undefined ? basic : `Bearer ${token}`;
    this.headers = {
      'content-type': 'application/json',
      ...(authorization !== undefined && { authorization }),
    };
  }

  async call(method: 'GET' | 'POST', path: string, body: Json): Promise<Json> {
    const url = new URL(`${this.base.replace(/\/$/, '')}/api/2.0/mlflow/${path}`);
    if (method === 'GET')
      for (const [key, value] of Object.entries(body)) url.searchParams.set(key, String(value));
    const response = await fetch(url, {
      method,
      headers: this.headers,
      signal: AbortSignal.timeout(10_000),
      ...(method === 'POST' && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${(await response.text()).slice(0, 200)}`);
    return (await response.json()) as Json;
  }

  /** Number of the experiment of this name, made where it is not there. */
  async experiment(name: string): Promise<string> {
    try {
      const { experiment } = await this.call('GET', 'experiments/get-by-name', { experiment_name: name });
      return (experiment as { experiment_id: string }).experiment_id;
    } catch (error) {
      if (!(error as Error).message.includes(' 404 ')) throw error;
      return (await this.call('POST', 'experiments/create', { name })).experiment_id as string;
    }
  }
}

/** Keys of a configuration, dotted, with values as text. */
function parameters(value: unknown, path = ''): [string, string][] {
  if (value === null || typeof value !== 'object') return [[path, String(value).slice(0, LONGEST)]];
  return Object.entries(value).flatMap(([key, inner]) =>
    parameters(inner, path === '' ? key : `${path}.${key}`),
  );
}

/** The server's run of ours, found again by its tag or made with the configuration as parameters. */
async function openRun(server: Server, run: TrackedRun): Promise<string> {
  const experiment = await server.experiment(process.env.MLFLOW_EXPERIMENT_NAME ?? 'kvd');
  const found = await server.call('POST', 'runs/search', {
    experiment_ids: [experiment],
    filter: `tags.kvd_run_id = '${run.id}'`,
    max_results: 1,
  });
  const [known] = (found.runs as { info: { run_id: string } }[] | undefined) ?? [];
  if (known !== undefined) {
    await server.call('POST', 'runs/update', { run_id: known.info.run_id, status: 'RUNNING' });
    return known.info.run_id;
  }
  const made = await server.call('POST', 'runs/create', {
    experiment_id: experiment,
    run_name: run.name,
    start_time: Date.now(),
    tags: [
      { key: 'kvd_run_id', value: run.id },
      { key: 'kvd_kind', value: run.kind },
    ],
  });
  const { run_id } = (made.run as { info: { run_id: string } }).info;
  const params = parameters(run.config).map(([key, value]) => ({ key, value }));
  for (let i = 0; i < params.length; i += 100) {
    await server.call('POST', 'runs/log-batch', { run_id, params: params.slice(i, i + 100) });
  }
  return run_id;
}

export const mlflow: Tracker = {
  name: 'mlflow',
  summary: 'the MLflow server of MLFLOW_TRACKING_URI, experiment MLFLOW_EXPERIMENT_NAME (kvd unless given)',
  reference: 'https://mlflow.org/docs/latest/rest-api.html',
  open: async (run) => {
    const base = process.env.MLFLOW_TRACKING_URI ?? '';
    if (!/^https?:\/\//.test(base)) {
      throw new UserError('no-mlflow', 'MLFLOW_TRACKING_URI names no server', {
        hint: 'Set it to the address of an MLflow server, such as http://localhost:5000.',
      });
    }
    const server = new Server(base);
    let waiting: Row[] = [];
    let told = false;
    let id: string | undefined;
    const away = (error: unknown): void => {
      if (!told)
        process.stderr.write(
          `mlflow: ${(error as Error).message}; metrics are kept and sent when it answers\n`,
        );
      told = true;
    };
    const send = async (): Promise<void> => {
      try {
        id ??= await openRun(server, run);
        while (waiting.length > 0) {
          const rows = waiting.slice(0, 100);
          const metrics = rows.flatMap(({ step, at, values }) =>
            Object.entries(values).map(([key, value]) => ({ key, value, timestamp: at, step })),
          );
          for (let i = 0; i < metrics.length; i += BATCH) {
            await server.call('POST', 'runs/log-batch', { run_id: id, metrics: metrics.slice(i, i + BATCH) });
          }
          waiting = waiting.slice(rows.length);
        }
      } catch (error) {
        away(error);
      }
    };
    await send();
    let sending = Promise.resolve();
    return {
      log: (row) => {
        waiting.push(row);
        sending = sending.then(send);
      },
      end: async (how) => {
        await sending;
        await send();
        if (id === undefined) return;
        await server
          .call('POST', 'runs/update', { run_id: id, status: STATUS[how], end_time: Date.now() })
          .catch(away);
      },
    };
  },
};
