/** All formats of whole reports, by name. */
import { Registry } from '../../base/registry.js';
import { csv } from './csv.js';
import { html } from './html.js';
import { json } from './json.js';
import { latex } from './latex.js';
import { markdown } from './markdown.js';

export const documentWriters = new Registry('format', [html, markdown, latex, csv, json]);
