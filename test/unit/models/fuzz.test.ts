/** Damaged files give clear errors and no others. KVD_FUZZ_RUNS=10000 runs so many mutations of each kind. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, it, vi } from 'vitest';
import { readModelConfig } from '../../../src/models/config.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { renderChat } from '../../../src/models/chat-template.js';
import { loadTokenizer } from '../../../src/models/tokenizer.js';
import { damage, refusals, runs, twist } from '../../helpers/fuzz.js';
import { golden } from '../../helpers/golden.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));

// The tokenizers' library warns of patterns that it does not know.
beforeAll(() => void vi.spyOn(console, 'warn').mockReturnValue());

it('safetensors', () => {
  const whole = readFileSync(join(golden('llama4-sharded'), 'model-00004-of-00004.safetensors'));
  const path = join(folder, 'fuzz.safetensors');
  const refused = refusals(damage(whole), (bytes) => {
    writeFileSync(path, bytes);
    const file = openSafetensors(path);
    try {
      file.names().forEach((name) => file.readFloat(name));
    } finally {
      file.close();
    }
  });
  expect(refused).toBeGreaterThan(runs / 4);
});

it('config.json', () => {
  const text = readFileSync(join(golden('gemma2'), 'config.json'));
  const path = join(folder, 'config.json');
  const read = (content: string | Buffer): void => {
    writeFileSync(path, content);
    readModelConfig(folder);
  };
  expect(refusals(damage(text), read)).toBeGreaterThan(runs / 4);
  const json: unknown = JSON.parse(text.toString());
  expect(refusals(twist(json), (value) => read(JSON.stringify(value)))).toBeGreaterThan(runs / 20);
});

it.each(['llama2', 'llama3', 'unigram'])('tokenizer.json of %s', (name) => {
  const own = mkdtempSync(join(tmpdir(), 'kvd-'));
  cpSync(golden(`tokenizers/${name}`), own, { recursive: true });
  const path = join(own, 'tokenizer.json');
  const text = readFileSync(path);
  const read = (content: string | Buffer): void => {
    writeFileSync(path, content);
    const tokenizer = loadTokenizer(own);
    tokenizer.decode(tokenizer.encode(['Hello <s> wörld 12\n', { control: '</s> 🙂' }]));
  };
  expect(refusals(damage(text), read)).toBeGreaterThan(runs / 8);
  expect(
    refusals(twist(JSON.parse(text.toString())), (value) => read(JSON.stringify(value))),
  ).toBeGreaterThan(0);
});

/** Pieces of templates, harmless and not: every combination is a template that somebody may ship. */
const pieces = fc.constantFrom(
  ...[
    '{{ ',
    ' }}',
    '{% ',
    ' %}',
    '{# ',
    ' #}',
    '{%- ',
    ' -%}',
    ' | ',
    '.',
    '[',
    ']',
    '(',
    ')',
    '"',
    "'",
    ', ',
    ' ~ ',
  ],
  ...[
    'for m in messages',
    'for i in range(1000000000)',
    'endfor',
    'if messages',
    'elif x',
    'else',
    'endif',
    'break',
  ],
  ...['set x = ', 'set ns = namespace(x="aa")', 'set ns.x = ns.x ~ ns.x', 'macro f(a)', 'endmacro', 'f(1)'],
  ...[
    'messages',
    'm.content',
    'm["role"]',
    'bos_token',
    'add_generation_prompt',
    'true',
    'none',
    '1e999',
    '-1',
  ],
  ...['constructor', '__proto__', 'prototype', 'process', 'require("fs")', 'globalThis', 'this', 'range(9)'],
  ...[
    'length',
    'join',
    'replace("a", "b")',
    'tojson',
    'items()',
    'split("")',
    'strftime_now("%Y")',
    'selectattr',
  ],
);
const templates = fc.oneof(
  fc.array(fc.oneof(pieces, fc.string({ maxLength: 4 })), { maxLength: 24 }).map((parts) => parts.join('')),
  fc
    .array(pieces, { minLength: 1, maxLength: 3 })
    .map((parts) => `{{ messages[0].content.${parts.join('.')} }}`),
);

it('chat templates', () => {
  const messages = [{ role: 'user' as const, content: 'a' }];
  let longest = 0;
  const refused = refusals(templates, (template) => {
    const started = performance.now();
    try {
      renderChat(template, [{ messages, add_generation_prompt: true }], { bos_token: '<s>' }, 'here');
    } finally {
      longest = Math.max(longest, performance.now() - started);
    }
  });
  expect(refused).toBeGreaterThan(runs / 4);
  // Two seconds for the template, the rest for a process to begin and end on a busy machine.
  expect(longest).toBeLessThan(10_000);
});
