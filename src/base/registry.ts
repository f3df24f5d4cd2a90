/** Named variants of one kind (methods, architectures, tasks, …), found by name. */
import { UserError } from './errors.js';
import { suggestion } from './suggest.js';

export interface Entry {
  /** Name used in YAML, flags, the database and reports. */
  readonly name: string;
  /** One line for lists and help. */
  readonly summary: string;
  /** Paper section, publication or peer implementation that this variant follows. */
  readonly reference: string;
}

export class Registry<T extends Entry> {
  private readonly entries = new Map<string, T>();

  /** @param kind what the entries are called in messages, such as `method`. */
  constructor(
    readonly kind: string,
    entries: readonly T[],
  ) {
    for (const entry of entries) {
      if (this.entries.has(entry.name)) throw new Error(`two ${kind}s named ${entry.name}`);
      this.entries.set(entry.name, entry);
    }
  }

  /** The entry called `name`; an unknown name is a UserError with the nearest valid one. */
  get(name: string, where?: string): T {
    const entry = this.entries.get(name);
    if (entry === undefined) {
      throw new UserError(`unknown-${this.kind}`, `unknown ${this.kind} "${name}"`, {
        hint: suggestion(name, this.names()),
        ...(where === undefined ? {} : { where }),
      });
    }
    return entry;
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  names(): string[] {
    return [...this.entries.keys()];
  }

  list(): T[] {
    return [...this.entries.values()];
  }
}
