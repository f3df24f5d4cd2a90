import { KvdCommand } from '../cli/base-command.js';

export default class Doctor extends KvdCommand {
  static override summary = 'Say which engines work, how fast, what is missing and what mends it';
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --json'];

  async run(): Promise<unknown> {
    await this.parse(Doctor);
    const { diagnose, renderDiagnosis } = await import('../workflows/doctor.js');
    const diagnosis = await diagnose();
    this.print(renderDiagnosis(diagnosis));
    return diagnosis;
  }
}
