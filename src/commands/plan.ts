import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Plan extends KvdCommand {
  static override summary =
    'Say what an experiment takes: parameters, memory by part, FLOPs, hours; refuse what cannot fit';
  static override description =
    'The very code that will run is run without numbers, with contexts of the greatest length. Neither weights nor data are needed: the configuration of the paper’s models ships with kvd.';
  static override examples = [
    '<%= config.bin %> plan experiments/paper/table2.yaml --gpu A100-80GB',
    '<%= config.bin %> plan experiments/nano/table2.yaml',
  ];
  static override args = { experiment: Args.string({ description: 'YAML file', required: true }) };
  static override flags = {
    set: Flags.string({ description: 'override a key: a.b=value', multiple: true, helpValue: 'KEY=VALUE' }),
    gpu: Flags.string({
      description: 'a GPU by name; this machine, as measured, where not given',
      helpValue: 'NAME',
    }),
    context: Flags.integer({ description: "tokens of the contexts; else training's longest", min: 1 }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Plan);
    const { planExperiment } = await import('../workflows/plan.js');
    const { gpu, thisMachine } = await import('../workflows/plan-devices.js');
    const { renderPlan } = await import('../workflows/plan-text.js');
    const { loadExperiments } = await import('../experiment/resolve.js');
    const device = flags.gpu === undefined ? await thisMachine() : gpu(flags.gpu);
    const plans = [];
    for (const loaded of loadExperiments(args.experiment, flags.set)) {
      const plan = await planExperiment(loaded, { device, context: flags.context });
      this.print(renderPlan(plan));
      plans.push(plan);
    }
    if (plans.some(({ fits }) => !fits)) process.exitCode = 2;
    return plans;
  }
}
