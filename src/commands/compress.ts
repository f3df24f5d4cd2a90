import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Compress extends KvdCommand {
  static override summary = 'Compress documents once, into a file that can be asked many times';
  static override description =
    'Several documents, and spans of one, can keep different shares of their rows; what keeps 1 is kept whole. The ' +
    "file holds the document's text, as token ids, unless --no-text.";
  static override examples = [
    '<%= config.bin %> compress report.txt --model llama-long --retention 0.2 --fold-tokens 600 -o report.kvd.safetensors',
    '<%= config.bin %> compress a.txt b.txt --retention 0.1 --retention 0.5 -o both.kvd.safetensors',
    '<%= config.bin %> compress prompt.txt --span 120:4000@0.1',
    '<%= config.bin %> compress more.txt --append report.kvd.safetensors',
    '<%= config.bin %> compress --plan plan.yaml --adapter runs/my-adapter',
  ];
  static override strict = false;
  static override args = { documents: Args.string({ description: 'text files; - is standard input' }) };
  static override flags = {
    model: Flags.string({ description: 'model folder or shipped model; llama-long unless given' }),
    adapter: Flags.string({ description: 'adapter folder; else the one that ships with the model' }),
    method: Flags.string({ description: "compression method; the adapter's unless given, else kvd" }),
    set: Flags.string({
      description: 'option of the method: key=value',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'KEY=VALUE',
    }),
    retention: Flags.string({
      description: 'share of rows kept, for all documents or for each in order; 0.2 unless given',
      multiple: true,
      multipleNonGreedy: true,
      exclusive: ['plan'],
    }),
    span: Flags.string({
      description:
        'share of rows kept of some characters of the document; the rest is kept whole unless --retention',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'FROM:TO@SHARE',
      exclusive: ['plan'],
    }),
    plan: Flags.string({
      description: 'documents, spans and ratios in a YAML or JSON file',
      helpValue: 'FILE',
    }),
    'fold-tokens': Flags.integer({
      description: 'longer parts are compressed in folds of this many tokens, as the adapter was trained',
      min: 2,
    }),
    question: Flags.string({
      description: 'the question to compress for, where the method is question-aware',
    }),
    append: Flags.string({ description: 'context to append the documents to', helpValue: 'FILE' }),
    text: Flags.boolean({
      description: "keep the document's text in the file",
      default: true,
      allowNo: true,
    }),
    output: Flags.string({ char: 'o', description: 'file to write', helpValue: 'FILE' }),
  };

  async run(): Promise<unknown> {
    const { argv, flags } = await this.parse(Compress);
    const { compressToFile } = await import('../workflows/compress.js');
    const documents = argv as string[];
    const { value, text } = await compressToFile({ ...flags, documents, quiet: this.jsonEnabled() });
    this.print(text);
    return value;
  }
}
