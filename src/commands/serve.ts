import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

const limit = (description: string, usual: number) => Flags.integer({ description, default: usual, min: 1 });

export default class Serve extends KvdCommand {
  static override summary = 'Serve a model and compressed contexts in the shape of OpenAI’s chat completions';
  static override description =
    'A context is uploaded once (POST /v1/contexts) and named as `model` in chat completions (docs/serve.md).';
  static override examples = [
    '<%= config.bin %> serve --model llama-long --fold-tokens 600 --retention 0.2',
    '<%= config.bin %> serve report.kvd.safetensors --port 8080',
    'KVD_TOKEN=$(openssl rand -hex 24) <%= config.bin %> serve --host 0.0.0.0',
  ];
  static override strict = false;
  static override args = { contexts: Args.string({ description: 'contexts to begin with' }) };
  static override flags = {
    model: Flags.string({ description: 'model folder or shipped model', default: 'llama-long' }),
    adapter: Flags.string({ description: 'adapter folder; else the one that ships with the model' }),
    method: Flags.string({ description: "compression method; the adapter's unless given, else kvd" }),
    set: Flags.string({
      description: 'option of the method: key=value',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'KEY=VALUE',
    }),
    retention: Flags.string({ description: 'share of rows kept of contexts that name none', default: '0.2' }),
    'fold-tokens': Flags.integer({
      description: 'longer documents are compressed in folds of this many tokens',
      min: 2,
    }),
    host: Flags.string({
      description: 'address to listen on; other than loopback needs a token',
      default: '127.0.0.1',
    }),
    port: Flags.integer({ description: 'port; 0 takes any that is free', default: 8787, min: 0, max: 65535 }),
    token: Flags.string({ description: 'what clients must send as their API key', env: 'KVD_TOKEN' }),
    'max-contexts': limit('most contexts held', 64),
    'max-bytes': limit('most bytes of keys and values of all contexts', 2 ** 32),
    'max-body': limit("most bytes of a request's body", 2 ** 24),
    'max-context-tokens': limit('most tokens of a context before it is compressed', 131_072),
    'max-prompt-tokens': limit('most tokens of the messages of a request', 8192),
    'max-new-tokens': limit('most tokens of an answer', 512),
    'max-queue': limit('most requests under way and waiting', 256),
    batch: limit('most requests of a context answered together', 16),
  };

  async run(): Promise<unknown> {
    const { argv, flags } = await this.parse(Serve);
    const { parseShare } = await import('../workflows/compress-plan.js');
    const { serveUntilStopped } = await import('../workflows/serve.js');
    return serveUntilStopped({
      ...flags,
      contexts: argv as string[],
      retention: parseShare(flags.retention, '--retention'),
      limits: {
        contexts: flags['max-contexts'],
        bytes: flags['max-bytes'],
        bodyBytes: flags['max-body'],
        contextTokens: flags['max-context-tokens'],
        promptTokens: flags['max-prompt-tokens'],
        answerTokens: flags['max-new-tokens'],
        queue: flags['max-queue'],
        batch: flags.batch,
      },
      log: (line) => process.stderr.write(`${line}\n`),
    });
  }
}
