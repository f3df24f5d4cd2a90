/** All report formats, by name. */
import { Registry } from '../../base/registry.js';
import { csv } from './csv.js';
import { json } from './json.js';
import { latex } from './latex.js';
import { markdown } from './markdown.js';
import { terminal } from './terminal.js';

export const writers = new Registry('format', [terminal, markdown, csv, latex, json]);
