/** Where the hub is, who asks, and where what it sends is kept: Hugging Face's own environment variables. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { readText } from '../base/files.js';

export interface HubSettings {
  /** `HF_ENDPOINT`, without a slash at its end. */
  endpoint: string;
  /** `HF_TOKEN`, or the file that `hf auth login` writes. */
  token: string | undefined;
  /** `HF_HUB_OFFLINE`: nothing may be asked of the hub. */
  offline: boolean;
  /** `HF_HUB_CACHE`, or `hub` under `HF_HOME`. */
  cache: string;
  /** `HF_HUB_DOWNLOAD_TIMEOUT`: milliseconds without a byte after which a connection counts as lost. */
  timeoutMs: number;
  /** Milliseconds before the first repetition of a request that failed; twice as long before each further one. */
  retryMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

function home(env: Environment): string {
  const cache = env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return env.HF_HOME || join(cache, 'huggingface');
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 'on', 'yes', 'true'].includes(value.toLowerCase());
}

function tokenOf(env: Environment): string | undefined {
  const given = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN)?.trim();
  if (given) return given;
  const file = env.HF_TOKEN_PATH || join(home(env), 'token');
  return (existsSync(file) && readText(file, 4096).trim()) || undefined;
}

function endpointOf(env: Environment): string {
  const endpoint = (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new UserError('bad-endpoint', `HF_ENDPOINT is no http address: ${endpoint}`, {
      hint: 'Unset it, or give an address such as https://huggingface.co.',
    });
  }
  return endpoint;
}

/** Folder in which pulled models and datasets lie; nothing else of the settings is looked at. */
export function hubCache(env: Environment = process.env): string {
  return env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home(env), 'hub');
}

/** The settings that the environment gives; a useless endpoint or time limit is a UserError. */
export function hubSettings(env: Environment = process.env): HubSettings {
  const seconds = Number(env.HF_HUB_DOWNLOAD_TIMEOUT || 10);
  if (!(seconds > 0)) {
    throw new UserError('bad-timeout', 'HF_HUB_DOWNLOAD_TIMEOUT is no number of seconds over 0', {
      hint: 'Unset it, or give a number such as 30.',
    });
  }
  return {
    endpoint: endpointOf(env),
    token: tokenOf(env),
    offline: isTrue(env.HF_HUB_OFFLINE),
    cache: hubCache(env),
    timeoutMs: 1000 * seconds,
    retryMs: 500,
  };
}
