/** Style sheets and scripts that a page carries in itself. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readText } from '../../base/files.js';
import { packageRoot } from '../../base/paths.js';
import { raw, type Markup } from './markup.js';

/** An inline script or style sheet of `assets/`, and the hash by which alone a page's policy lets it through. */
export function inline(folder: string, file: string): { text: Markup; hash: string } {
  const text = readText(join(packageRoot, 'assets', folder, file));
  return { text: raw(text), hash: `'sha256-${createHash('sha256').update(text).digest('base64')}'` };
}

/** The content security policy of a page that holds these and loads nothing. */
export function policyOf(style: { hash: string }, script: { hash: string }): Markup {
  return raw(
    `default-src 'none'; style-src ${style.hash}; script-src ${script.hash}; base-uri 'none'; form-action 'none'`,
  );
}
