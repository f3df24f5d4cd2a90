/** What a tensor engine is. */
import type { Entry } from '../base/registry.js';

export interface Probe {
  available: boolean;
  /** Why not, in a few words. */
  reason?: string;
  /** The command that mends it. */
  remedy?: string;
}

export interface Engine extends Entry {
  /** Whether `start` would work, without loading anything heavy. */
  probe(): Promise<Probe>;
  /** Registers the engine with tfjs-core and makes it the current one. */
  start(): Promise<void>;
  /** What computes, once started. */
  device(): string;
}
