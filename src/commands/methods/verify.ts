import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class MethodsVerify extends KvdCommand {
  static override summary = "Check methods against reference files: kvpress's, or one whole KV-Distill step";
  static override description =
    'With a reference folder, each of its files is made again by our method of that name, and kept positions, scores and logits are compared. With one folder alone, a whole training step of kvd is checked. The formats are described in test/golden/README.md.';
  static override examples = [
    '<%= config.bin %> methods verify test/golden/llama8 test/golden/kvpress/llama8',
    '<%= config.bin %> methods verify test/golden/kvd',
  ];
  static override args = {
    folder: Args.string({
      description: 'folder with a model; with adapter/ and reference.safetensors where no other is named',
      required: true,
    }),
    reference: Args.string({ description: 'folder with files that kvpress made with this model' }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(MethodsVerify);
    const [checks, text] = await this.check(args.folder, args.reference);
    this.print(text);
    if (checks.some((check) => !check.passed)) process.exitCode = 1;
    return checks;
  }

  private async check(folder: string, reference?: string): Promise<[{ passed: boolean }[], string]> {
    if (reference === undefined) {
      const { renderChecks, verifyKvd } = await import('../../workflows/verify.js');
      const checks = await verifyKvd(folder);
      return [checks, renderChecks(checks)];
    }
    const { renderPressChecks, verifyKvpress } = await import('../../workflows/verify-kvpress.js');
    const checks = await verifyKvpress(folder, reference);
    return [checks, renderPressChecks(checks)];
  }
}
