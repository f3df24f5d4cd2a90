import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class MethodsVerify extends KvdCommand {
  static override summary = 'Check one whole KV-Distill step against a reference folder';
  static override examples = ['<%= config.bin %> methods verify test/golden/kvd'];
  static override args = {
    folder: Args.string({
      description: 'folder with a model, adapter/ and reference.safetensors',
      required: true,
    }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(MethodsVerify);
    const { renderChecks, verifyKvd } = await import('../../workflows/verify.js');
    const checks = await verifyKvd(args.folder);
    this.print(renderChecks(checks));
    if (checks.some((check) => !check.passed)) process.exitCode = 1;
    return checks;
  }
}
