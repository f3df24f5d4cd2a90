import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class ModelsInspect extends KvdCommand {
  static override summary = 'Show what a model is: configuration, tensors, tokenizer, licence';
  static override examples = [
    '<%= config.bin %> models inspect llama-small',
    '<%= config.bin %> models inspect meta-llama/Meta-Llama-3-8B-Instruct --tensors',
  ];
  static override args = {
    model: Args.string({ description: 'a folder, a shipped model, or a pulled one', required: true }),
  };
  static override flags = { tensors: Flags.boolean({ description: 'list every tensor' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ModelsInspect);
    const { inspectModel, renderInspection } = await import('../../workflows/inspect-model.js');
    const found = inspectModel(args.model);
    this.print(renderInspection(found, flags.tensors));
    return found;
  }
}
