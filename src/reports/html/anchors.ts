/** Places of the page that can be linked to: sections, sources, and sets of sources behind one number. */
import type { ReportDocument, Source } from '../document.js';

/** Several sources of one number, such as its seeds. */
export interface SourceSet {
  anchor: string;
  ids: Source;
}

/** Names that the page itself uses. */
const RESERVED = /^(content|sources?|configuration|prompt|chart)\b/;

export class Anchors {
  private readonly sections = new Map<string, number>();
  private readonly sources: ReadonlyMap<string, string>;
  private charts = 0;
  private readonly sets = new Map<string, SourceSet>();

  constructor({ sources }: ReportDocument) {
    this.sources = new Map(sources.map(({ id }, i) => [id, `source-${i + 1}`]));
  }

  /** Anchor of a section: its id where that is a plain name, made unique. */
  section(id: string): string {
    const name = id.replace(/[^\w-]+/g, '-');
    const plain = name === '' || RESERVED.test(name) ? `section-${name}` : name;
    const before = this.sections.get(plain) ?? 0;
    this.sections.set(plain, before + 1);
    return before === 0 ? plain : `${plain}-${before + 1}`;
  }

  /** Name of a chart that no other chart of the page has. */
  chart(): string {
    this.charts += 1;
    return `chart-${this.charts}`;
  }

  /** Anchor of one source; undefined where the report has no details of it. */
  source(id: string): string | undefined {
    return this.sources.get(id);
  }

  /** Where the link of a number leads: to its source, or to the list of them where there are several. */
  number(sources: Source | undefined): string | undefined {
    if (sources === undefined || sources.length === 0) return undefined;
    const only = sources.length === 1 ? this.source(sources[0]!) : undefined;
    if (only !== undefined) return only;
    const key = JSON.stringify(sources);
    const set = this.sets.get(key) ?? { anchor: `sources-${this.sets.size + 1}`, ids: sources };
    this.sets.set(key, set);
    return set.anchor;
  }

  /** The sets that numbers have been linked to so far. */
  usedSets(): SourceSet[] {
    return [...this.sets.values()];
  }
}
