import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class ModelsVerify extends KvdCommand {
  static override summary =
    "Check a model's numbers against its reference, or a pulled model's files against their checksums";
  static override examples = [
    '<%= config.bin %> models verify test/golden/llama8',
    '<%= config.bin %> models verify meta-llama/Meta-Llama-3-8B-Instruct',
  ];
  static override args = {
    model: Args.string({
      description:
        'folder with config.json, weights and reference.safetensors, or the name of a pulled model',
      required: true,
    }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(ModelsVerify);
    const { isPulledName, renderFileChecks, verifyPulled } = await import('../../workflows/models.js');
    if (isPulledName(args.model)) {
      const files = await verifyPulled(args.model, this.jsonEnabled());
      this.print(renderFileChecks(files));
      if (files.some(({ state }) => state === 'wrong' || state === 'missing')) process.exitCode = 1;
      return files;
    }
    const { renderChecks, verifyModel } = await import('../../workflows/verify.js');
    const checks = await verifyModel(args.model);
    this.print(renderChecks(checks));
    if (checks.some((check) => !check.passed)) process.exitCode = 1;
    return checks;
  }
}
