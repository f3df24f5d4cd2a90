/** The contexts that a server holds, by id. */
import { contextSize, disposeContext, type CompressedContext } from '../contexts/context.js';
import { ApiError } from './errors.js';

/** A context on the shelf. */
export interface Shelved {
  id: string;
  /** What its owner calls it. */
  name: string | null;
  /** Unix time in seconds. */
  created: number;
  context: CompressedContext;
  /** Requests that read it now. */
  readers: number;
  removed: boolean;
}

export interface ShelfLimits {
  /** Most contexts. */
  contexts: number;
  /** Most bytes of keys and values, all together. */
  bytes: number;
}

export class Shelf {
  private readonly shelved = new Map<string, Shelved>();

  constructor(private readonly limits: ShelfLimits) {}

  /** Refuses what there is no room for, before any work is done for it. */
  checkRoom(bytes = 0): void {
    const held = this.list().reduce((sum, { context }) => sum + contextSize(context).bytes, 0);
    if (this.shelved.size < this.limits.contexts && held + bytes <= this.limits.bytes) return;
    throw new ApiError(
      429,
      'too_many_contexts',
      `No room: ${this.shelved.size} of ${this.limits.contexts} contexts and ${held} of ${this.limits.bytes} bytes are held. Delete a context first.`,
    );
  }

  add(id: string, name: string | null, context: CompressedContext): Shelved {
    try {
      this.checkRoom(contextSize(context).bytes);
    } catch (error) {
      disposeContext(context);
      throw error;
    }
    const created = Math.floor(Date.now() / 1000);
    const shelved: Shelved = { id, name, created, context, readers: 0, removed: false };
    this.shelved.set(id, shelved);
    return shelved;
  }

  get(id: string, param: string): Shelved {
    const found = this.shelved.get(id);
    if (found !== undefined) return found;
    throw new ApiError(
      404,
      'context_not_found',
      `There is no context ${JSON.stringify(id.slice(0, 100))}.`,
      param,
    );
  }

  list(): Shelved[] {
    return [...this.shelved.values()];
  }

  /** Keeps a context's tensors until the reader is done, whatever happens to it. */
  read(shelved: Shelved): () => void {
    shelved.readers += 1;
    let done = false;
    return () => {
      if (done) return;
      done = true;
      shelved.readers -= 1;
      if (shelved.removed && shelved.readers === 0) disposeContext(shelved.context);
    };
  }

  remove(id: string, param: string): Shelved {
    const shelved = this.get(id, param);
    this.shelved.delete(id);
    shelved.removed = true;
    if (shelved.readers === 0) disposeContext(shelved.context);
    return shelved;
  }

  dispose(): void {
    for (const id of [...this.shelved.keys()]) this.remove(id, 'id');
  }
}
