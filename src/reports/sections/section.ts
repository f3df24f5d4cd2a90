/** What a target of `kvd reproduce` is: the experiments that it needs, and what a reader sees of them. */
import type { Entry } from '../../base/registry.js';
import type { Section } from '../document.js';
import type { Evidence } from '../evidence.js';

export interface Target extends Entry {
  title: string;
  /** Files under experiments/<scale>/ without their ending, in the order in which they are run. */
  experiments: readonly string[];
  /** Experiments whose training goes on from the adapter that another trained with the same seed. */
  startsFrom?: Readonly<Record<string, string>>;
  /** Whether the section shows how experiments are set up, and needs none of them run. */
  configurationOnly?: boolean;
  /** Undefined where nothing of it was measured. */
  build(evidence: Evidence): Omit<Section, 'id' | 'title'> | undefined;
}

/** The section that a target makes of what was measured. */
export function sectionOf(target: Target, evidence: Evidence): Section | undefined {
  const built = target.build(evidence);
  return built && { id: target.name, title: target.title, ...built };
}
