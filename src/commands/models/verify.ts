import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class ModelsVerify extends KvdCommand {
  static override summary = "Check a model's logits, hidden states, caches and greedy tokens against its reference";
  static override examples = ['<%= config.bin %> models verify test/golden/llama8'];
  static override args = {
    folder: Args.string({ description: 'folder with config.json, weights and reference.safetensors', required: true }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(ModelsVerify);
    const { renderChecks, verifyModel } = await import('../../workflows/verify.js');
    const checks = await verifyModel(args.folder);
    this.print(renderChecks(checks));
    if (checks.some((check) => !check.passed)) process.exitCode = 1;
    return checks;
  }
}
