/** Trackers, by name. */
import { Registry } from '../base/registry.js';
import { csv } from './csv.js';
import { jsonl } from './jsonl.js';
import { mlflow } from './mlflow.js';
import { tensorboard } from './tensorboard.js';
import type { Tracker } from './tracker.js';

export const trackers = new Registry<Tracker>('tracker', [tensorboard, mlflow, csv, jsonl]);
