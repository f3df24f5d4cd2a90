import { Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class RunsExport extends KvdCommand {
  static override summary = 'Write runs with all their metrics and samples as JSON Lines';
  static override examples = [
    '<%= config.bin %> runs export --output runs.jsonl',
    '<%= config.bin %> runs export --run mh2k3x9a | gzip > run.jsonl.gz',
  ];
  static override flags = {
    db: KvdCommand.dbFlag,
    run: Flags.string({ description: 'only these runs', multiple: true, multipleNonGreedy: true, helpValue: 'ID' }),
    output: Flags.string({ description: 'write to this file', helpValue: 'FILE' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(RunsExport);
    const { exportRuns } = await import('../../workflows/store-care.js');
    const { runs, text } = exportRuns(flags.db, flags.run ?? [], flags.output);
    this.print(text ?? `Written: ${flags.output} (${runs} runs)`);
    return { runs, ...(text === undefined ? { file: flags.output } : { lines: text.split('\n') }) };
  }
}
