/** Launchers, by name. */
import { Registry } from '../../base/registry.js';
import type { Launcher } from './launcher.js';
import { local } from './local.js';
import { slurmLauncher } from './slurm.js';

export const launchers = new Registry<Launcher>('launcher', [local, slurmLauncher]);
