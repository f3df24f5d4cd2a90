import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class DataPull extends KvdCommand {
  static override summary = "Fetch a dataset's files";
  static override description =
    "Evaluations and trainings that name no file of their own read what was fetched. Files of the hub land in Hugging Face's cache, others under KVD_DATA or ~/.cache/kvd/data.";
  static override examples = [
    '<%= config.bin %> data pull squad',
    '<%= config.bin %> data pull govreport --split test',
    "<%= config.bin %> data pull p3 --include 'adversarial_qa*/train/*.parquet'",
    '<%= config.bin %> data pull org/name',
  ];
  static override args = {
    dataset: Args.string({ description: 'dataset, or org/name of any dataset of the hub', required: true }),
  };
  static override flags = {
    split: Flags.string({
      description: 'split to fetch; all unless given',
      multiple: true,
      multipleNonGreedy: true,
    }),
    include: Flags.string({
      description: 'files of the repository to fetch; * stands for anything',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'PATTERN',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(DataPull);
    const { pullData } = await import('../../workflows/data-pull.js');
    const pulled = await pullData({
      name: args.dataset,
      splits: flags.split ?? [],
      include: flags.include ?? [],
      quiet: this.jsonEnabled(),
      note: (text) => this.note(text),
    });
    const licence = pulled.licence === undefined ? '' : `; licence: ${pulled.licence}`;
    this.print(`${pulled.name}: ${pulled.files.length} files in ${pulled.folder}${licence}`);
    return pulled;
  }
}
