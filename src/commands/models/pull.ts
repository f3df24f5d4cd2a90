import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class ModelsPull extends KvdCommand {
  static override summary = "Fetch a model from the Hugging Face hub into Hugging Face's cache";
  static override description =
    'What was begun is gone on with; every file is checked. HF_TOKEN, HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE are respected.';
  static override examples = [
    '<%= config.bin %> models pull meta-llama/Meta-Llama-3-8B-Instruct',
    '<%= config.bin %> models pull mistralai/Mistral-7B-Instruct-v0.3@main',
    "<%= config.bin %> models pull org/name --include 'config.json' --include 'tokenizer*'",
  ];
  static override args = {
    repository: Args.string({ description: 'org/name or org/name@revision', required: true }),
  };
  static override flags = {
    include: Flags.string({
      description:
        'files to fetch instead of configuration, tokenizer and safetensors; * stands for anything',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'PATTERN',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ModelsPull);
    const { pullModel } = await import('../../workflows/pull.js');
    const note = (text: string): void => this.note(text);
    const pulled = await pullModel(args.repository, flags.include ?? [], this.jsonEnabled(), note);
    this.print(`${pulled.name}: ${pulled.files.length} files in ${pulled.folder}`);
    return pulled;
  }
}
