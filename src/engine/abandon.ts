/** Computations given up half-way once the process is asked to end: Node's handlers wait until a computation is over. */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { installedEngine, signalsAddonPath } from './native.js';

/** The compiled engine/signals/signals.cc. */
interface Addon {
  watch(numbers: readonly number[]): void;
  unwatch(numbers: readonly number[]): void;
  seen(): boolean;
}

const require = createRequire(import.meta.url);
let addon: Addon | undefined;
let abandoning = false;

class Abandoned extends Error {}

const numbersOf = (signals: readonly NodeJS.Signals[]): number[] =>
  signals.map((name) => constants.signals[name]);

/**
 * Watches signals for which Node has handlers, from any thread: the first is seen at once, a second ends the process at
 * once. Without the native engine nothing is seen, and computations run to their end.
 */
export function watchSignals(signals: readonly NodeJS.Signals[]): void {
  const engine = installedEngine();
  if (engine === undefined) return;
  addon ??= require(signalsAddonPath(engine.folder)) as Addon;
  addon.watch(numbersOf(signals));
}

/** Leaves them to Node alone again; what was seen stays seen until signals are watched anew. */
export function unwatchSignals(signals: readonly NodeJS.Signals[]): void {
  addon?.unwatch(numbersOf(signals));
}

/** Whether a watched signal has come, even if Node has not handled it yet. */
export function signalSeen(): boolean {
  return addon?.seen() ?? false;
}

/** Where a computation may be given up: before each op of the native engine. */
export function abandonHere(): void {
  if (abandoning && signalSeen()) throw new Abandoned('asked to end');
}

/**
 * What `work` computes; undefined where a watched signal came meanwhile. Tensors that it made outside of a tidy are then
 * left to the process's end.
 */
export function abandonable<T>(work: () => T): T | undefined {
  abandoning = true;
  try {
    return work();
  } catch (error) {
    if (error instanceof Abandoned) return undefined;
    throw error;
  } finally {
    abandoning = false;
  }
}
