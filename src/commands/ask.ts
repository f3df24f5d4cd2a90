import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Ask extends KvdCommand {
  static override summary = 'Ask a compressed context questions';
  static override description =
    'Without a question, questions are read from the terminal, or a line each from standard input.';
  static override examples = [
    '<%= config.bin %> ask report.kvd.safetensors "which stone does Port Hadley have?"',
    '<%= config.bin %> ask report.kvd.safetensors --questions questions.txt --json',
    '<%= config.bin %> ask report.kvd.safetensors "what is the color of Bella Gallo?" --compare',
    '<%= config.bin %> ask report.kvd.safetensors --explain',
    '<%= config.bin %> ask report.kvd.safetensors --explain page.html',
  ];
  static override strict = false;
  static override args = {
    context: Args.string({ description: 'file that `kvd compress` wrote', required: true }),
    // Questions on stdin are ours to read, a line each.
    question: Args.string({ description: 'one or several questions', ignoreStdin: true }),
  };
  static override flags = {
    questions: Flags.string({ description: 'file of questions, one a line', helpValue: 'FILE' }),
    model: Flags.string({ description: "model folder or shipped model; the context's own unless given" }),
    'max-new-tokens': Flags.integer({ description: 'most tokens of an answer', default: 128, min: 1 }),
    compare: Flags.boolean({ description: "show the uncompressed model's answer beside it" }),
    explain: Flags.string({
      description: 'show what was kept of the document, here or as an HTML page',
      helpValue: '[PAGE.html]',
    }),
    layer: Flags.integer({ description: 'show what this layer keeps', min: 0, dependsOn: ['explain'] }),
    head: Flags.integer({ description: 'show what this KV head keeps', min: 0, dependsOn: ['explain'] }),
    document: Flags.string({
      description: 'document that the context was made of, where it does not hold its text; in order',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'FILE',
    }),
  };

  /** `--explain` alone is `--explain=`: in the terminal. */
  private withExplain(): string[] {
    return this.argv.map((arg, i) =>
      arg === '--explain' && !/\.html?$/i.test(this.argv[i + 1] ?? '') ? '--explain=' : arg,
    );
  }

  async run(): Promise<unknown> {
    const { args, argv, flags } = await this.parse(Ask, this.withExplain());
    const { askContext } = await import('../workflows/ask.js');
    const { explain, questions, document, 'max-new-tokens': maxNewTokens, ...rest } = flags;
    return askContext({
      ...rest,
      maxNewTokens,
      context: args.context,
      questions: (argv as string[]).slice(1),
      questionsFile: questions,
      documents: document,
      explain: explain === '' ? true : (explain ?? false),
      colour: process.stdout.isTTY && process.env.NO_COLOR === undefined,
      write: (text) => {
        if (!this.jsonEnabled()) process.stdout.write(text);
      },
    });
  }
}
