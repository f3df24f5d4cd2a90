import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Plan extends KvdCommand {
  static override summary =
    'Say what an experiment takes: parameters, memory by part, FLOPs, hours; refuse what cannot fit';
  static override description =
    'The very code that will run is run without numbers, with contexts of the greatest length. Neither weights nor data are needed: the configuration of the paper’s models ships with kvd. Where the data of the evaluation are there, the plan counts how many different contexts a batch has; else it takes them to be all different.';
  static override examples = [
    '<%= config.bin %> plan experiments/paper/table2.yaml --gpu A100-80GB',
    '<%= config.bin %> plan experiments/nano/table2.yaml',
    '<%= config.bin %> plan experiments/paper/table2.yaml --gpu A100-80GB --dry-run',
  ];
  static override args = { experiment: Args.string({ description: 'YAML file', required: true }) };
  static override flags = {
    set: KvdCommand.setFlag,
    gpu: Flags.string({
      description: 'a GPU by name; this machine, as measured, where not given',
      helpValue: 'NAME',
    }),
    context: Flags.integer({ description: "tokens of the contexts; else training's longest", min: 1 }),
    'dry-run': Flags.boolean({
      description:
        'also take the first steps and batches here, on the data, which must be there, with a narrow model of random weights',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Plan);
    const { planExperiment } = await import('../workflows/plan.js');
    const { gpu, thisMachine } = await import('../workflows/plan-devices.js');
    const { renderDryRun, renderPlan } = await import('../workflows/plan-text.js');
    const { loadExperiments } = await import('../experiment/resolve.js');
    const { dryRun } = await import('../workflows/dry-run.js');
    const { loadChecked } = await import('../workflows/experiments.js');
    const load = flags['dry-run'] ? loadChecked : loadExperiments;
    const device = flags.gpu === undefined ? await thisMachine() : gpu(flags.gpu);
    const plans = [];
    for (const loaded of load(args.experiment, flags.set)) {
      const plan = await planExperiment(loaded, { device, context: flags.context });
      this.print(renderPlan(plan));
      const dry = flags['dry-run']
        ? await dryRun(loaded, { context: flags.context, quiet: this.jsonEnabled() })
        : undefined;
      if (dry !== undefined) this.print(renderDryRun(dry));
      plans.push({ ...plan, ...(dry && { dryRun: dry }) });
    }
    if (plans.some(({ fits }) => !fits)) process.exitCode = 2;
    return plans;
  }
}
