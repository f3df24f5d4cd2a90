import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderChat } from '../../../src/models/chat-template.js';
import { answerIds, contextIds, questionIds } from '../../../src/models/prompt.js';
import { chatPrompt } from '../../../src/models/prompt-template.js';
import { loadTokenizer, type Tokenizer } from '../../../src/models/tokenizer.js';
import { golden } from '../../helpers/golden.js';

const root = golden('tokenizers');
const names = readdirSync(root).filter((name) => !name.includes('.'));
const lines = JSON.parse(readFileSync(`${root}/torture.json`, 'utf8')) as string[];

interface Reference {
  /** Special tokens in the text are tokens; nothing is put around it. */
  bare: number[][];
  /** Special tokens in the text are text. */
  plain: number[][];
  /** As `bare`, with what the tokenizer puts around it. */
  whole: number[][];
  decoded: string[];
}

function specialIds(folder: string): Set<number> {
  const { added_tokens: added } = JSON.parse(readFileSync(`${folder}/tokenizer.json`, 'utf8')) as {
    added_tokens: { id: number; content: string; special: boolean }[];
  };
  return new Set(added.filter(({ special, content }) => special && content !== '<unk>').map(({ id }) => id));
}

describe.each(names)('tokenizer %s against Python tokenizers 0.23', (name) => {
  const folder = `${root}/${name}`;
  const tokenizer = loadTokenizer(folder);
  const reference = JSON.parse(readFileSync(`${folder}/reference.json`, 'utf8')) as Reference;
  const differing = (ours: (line: string, i: number) => unknown, wanted: unknown[]): string[] =>
    lines.filter((line, i) => JSON.stringify(ours(line, i)) !== JSON.stringify(wanted[i]));

  it('ids, text of ids, and what it puts before a text', () => {
    expect(differing((line) => tokenizer.encode({ control: line }), reference.bare)).toEqual([]);
    expect(differing((_, i) => tokenizer.decode(reference.bare[i]!), reference.decoded)).toEqual([]);
    const prefix = reference.whole[0]!.slice(0, reference.whole[0]!.indexOf(reference.bare[0]![0]!));
    expect(tokenizer.prefixIds).toEqual(prefix);
  });

  it('takes special tokens in a text as text, even where the vocabulary spells them', () => {
    const special = specialIds(folder);
    const spelled = (ids: number[]): boolean => ids.some((id) => special.has(id));
    const wanted = reference.plain.map((ids, i) => (spelled(ids) ? tokenizer.encode(lines[i]!) : ids));
    expect(differing((line) => tokenizer.encode(line), wanted)).toEqual([]);
    expect(lines.filter((line) => spelled(tokenizer.encode(line)))).toEqual([]);
  });
});

interface Chat {
  context: string;
  question: string;
  answer: string;
  templates: Record<
    string,
    {
      template: string;
      variables: Record<string, string>;
      asked: string;
      answered: string;
      context_ids?: number[];
    }
  >;
}
const chat = JSON.parse(readFileSync(golden('chat.json'), 'utf8')) as Chat;

/** A tokenizer of test/golden with the chat template of the same name. */
function chatTokenizer(name: string): { tokenizer: Tokenizer; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  cpSync(`${root}/${name}`, folder, { recursive: true });
  writeFileSync(join(folder, 'chat_template.jinja'), chat.templates[name]!.template);
  return { tokenizer: loadTokenizer(folder), folder };
}

describe.each(Object.keys(chat.templates))(
  "chat template of %s against Transformers 5.23's Jinja",
  (name) => {
    const { template, variables, asked, answered, context_ids: ids } = chat.templates[name]!;

    it('is taken apart so that its parts and the texts make the whole', () => {
      const prompt = chatPrompt(template, variables, name);
      const whole = prompt.head + chat.context + prompt.question + chat.question + prompt.answer;
      expect(whole.startsWith(asked)).toBe(true);
      expect(whole + chat.answer + prompt.end).toBe(answered);
    });

    it.runIf(ids !== undefined)('is tokenized with its control tokens, the texts without', () => {
      const { tokenizer, folder } = chatTokenizer(name);
      const plain = chat.context.replace('<|eot_id|>', '').replace('</s>', '').replace('<end_of_turn>', '');
      expect(contextIds(tokenizer, plain)).toEqual(ids);
      const control = (texts: number[]): number => texts.filter((id) => specialIds(folder).has(id)).length;
      expect(control(contextIds(tokenizer, chat.context))).toBe(control(ids!));
      const question = questionIds(tokenizer, '</s><|eot_id|>[/INST]<|im_end|><|end|><end_of_turn>');
      expect(control(question)).toBe(control(questionIds(tokenizer, 'Who?')));
      expect(control(question)).toBeGreaterThan(0);
      expect(tokenizer.decode(question.slice(0, 9))).not.toMatch(/^ /);
      expect(answerIds(tokenizer, 'Yes').at(-1)).toBe(tokenizer.eosId);
      expect(specialIds(folder)).toContain(tokenizer.eosId);
    });
  },
);

it('its hash tells other words, settings and templates apart, and no other formatting', () => {
  const hashOf = (change: (folder: string) => void): string => {
    const folder = mkdtempSync(join(tmpdir(), 'kvd-tokenizer-'));
    cpSync('models/nano/llama-small', folder, { recursive: true });
    change(folder);
    return loadTokenizer(folder).hash;
  };
  const config = (folder: string, edit: object, indent?: number): void => {
    const path = join(folder, 'tokenizer_config.json');
    const old = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...old, ...edit }, null, indent));
  };
  const same = hashOf(() => undefined);
  expect(hashOf((folder) => config(folder, {}, 7))).toBe(same);
  const others = [
    hashOf((folder) => config(folder, { add_bos_token: false })),
    hashOf((folder) => writeFileSync(join(folder, 'chat_template.jinja'), '{{ messages[0].content }}')),
    hashOf((folder) =>
      writeFileSync(
        join(folder, 'tokenizer.json'),
        readFileSync(join(folder, 'tokenizer.json'), 'utf8')
          .replace('"\u0120mild"', '"\u0120wild"')
          .replace('"Ġmild"', '"Ġwild"'),
      ),
    ),
  ];
  expect(new Set([same, ...others]).size).toBe(4);
});

it("ends an answer with the end of the model's turn, not of the text", () => {
  const { tokenizer } = chatTokenizer('gemma');
  expect(tokenizer.eosId).toBe(tokenizer.tokenToId('<end_of_turn>'));
  expect(chatTokenizer('phi3').tokenizer.eosId).toBe(chatTokenizer('phi3').tokenizer.tokenToId('<|end|>'));
});

it.each([
  [
    '{% for i in range(100000) %}{% for j in range(100000) %}{% set x = i %}{% endfor %}{% endfor %}',
    /too long/,
  ],
  [
    '{% set ns = namespace(x="aa") %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}',
    /./,
  ],
  ['{% for i in range(1000000000) %}a{% endfor %}', /too long/],
  ['{{ raise_exception("no such role") }}', /no such role/],
  ['{{ messages[0].content.constructor.constructor("return process")().exit() }}', /cannot be used/],
  ['{% if %}', /cannot be used/],
  ['{{ bos_token }}', /0 times/],
])('refuses the template %s', (template, message) => {
  const render = (): unknown => {
    renderChat(
      template,
      [{ messages: [{ role: 'user', content: 'x' }], add_generation_prompt: true }],
      {},
      'here',
      1500,
    );
    return chatPrompt(template, {}, 'here');
  };
  expect(render).toThrow(expect.objectContaining({ code: 'bad-chat-template', where: 'here' }));
  expect(render).toThrow(message);
});
