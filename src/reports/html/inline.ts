/** Style sheets and scripts that a page carries in itself. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readText } from '../../base/files.js';
import { packageRoot } from '../../base/paths.js';
import { raw, type Markup } from './markup.js';

/**
 * An inline script or style sheet of `assets/` as an element, and the hash by which alone a page's policy lets it through:
 * of the element's whole text, so that a page must not put so much as a space around it.
 */
export function inline(folder: string, file: string): { element: Markup; hash: string } {
  const text = readText(join(packageRoot, 'assets', folder, file));
  const tag = file.endsWith('.css') ? 'style' : 'script';
  const hash = createHash('sha256').update(text).digest('base64');
  return { element: raw(`<${tag}>${text}</${tag}>`), hash: `'sha256-${hash}'` };
}

/** The content security policy of a page that holds these and loads nothing. */
export function policyOf(style: { hash: string }, script: { hash: string }): Markup {
  return raw(
    `default-src 'none'; style-src ${style.hash}; script-src ${script.hash}; base-uri 'none'; form-action 'none'`,
  );
}
