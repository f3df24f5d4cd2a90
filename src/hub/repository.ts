/** Names of the hub's repositories, their revisions and their files; all of them untrusted. */
import { UserError } from '../base/errors.js';

export type RepositoryKind = 'model' | 'dataset';

/** A repository at a revision: a branch, a tag or a commit. */
export interface Repository {
  kind: RepositoryKind;
  /** `org/name`, or `name` alone. */
  id: string;
  revision: string;
}

const ID = /^(?:[A-Za-z0-9_][\w.-]*\/)?[A-Za-z0-9_][\w.-]*$/;

/** Whether every part of a path is a name of its own: nothing that climbs out of a folder. */
function isInside(path: string): boolean {
  const parts = path.split('/');
  return !/[\\\0-\x1f]|^[A-Za-z]:/.test(path) && parts.every((part) => !['', '.', '..'].includes(part));
}

/** Whether `text` could name a repository of the hub, with a revision or without. */
export function looksLikeRepository(text: string): boolean {
  return ID.test(text.split('@')[0]!) && text.includes('/');
}

/** `org/name` or `org/name@revision` (`main` unless given). */
export function parseRepository(text: string, kind: RepositoryKind): Repository {
  const [id = '', revision = 'main', ...rest] = text.split('@');
  const valid = rest.length === 0 && ID.test(id) && !/--|\.\./.test(id) && id.length <= 128;
  if (!valid || !isInside(revision) || !/^[\w./-]+$/.test(revision)) {
    throw new UserError('bad-repository', `"${text}" names no repository`, {
      hint: 'Write org/name or org/name@revision, as in meta-llama/Meta-Llama-3-8B-Instruct@main.',
    });
  }
  return { kind, id, revision };
}

/** `org/name`, with its revision where that is not `main`: what `parseRepository` reads. */
export function repositoryName({ id, revision }: Repository): string {
  return revision === 'main' ? id : `${id}@${revision}`;
}

/** Refuses the name of a file that would be written outside its repository's folder. */
export function checkFileName(path: string, { id }: Repository): void {
  if (isInside(path)) return;
  throw new UserError('unsafe-path', `names the file ${JSON.stringify(path)}, which lies outside it`, {
    where: id,
    hint: 'Nothing of this repository was stored; do not trust it.',
  });
}
