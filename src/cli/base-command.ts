/** What every kvd command shares: flags, printing, and how errors reach the user. */
import { Command, Flags } from '@oclif/core';
import { UserError } from '../base/errors.js';

export abstract class KvdCommand extends Command {
  static override enableJsonFlag = true;

  /** The results database of commands that read or write one. */
  static dbFlag = Flags.string({
    description: 'results database',
    env: 'KVD_DB',
    default: 'runs/kvd.sqlite',
    helpValue: 'FILE',
  });

  /** Result text on stdout; nothing with --json. */
  protected print(text: string): void {
    this.log(text);
  }

  /** A note on stderr; nothing with --json. */
  protected note(text: string): void {
    if (!this.jsonEnabled()) process.stderr.write(`${text}\n`);
  }

  protected override async catch(error: Error & { exitCode?: number }): Promise<unknown> {
    if (!(error instanceof UserError)) {
      if (!this.jsonEnabled()) return super.catch(error);
      this.logJson({ error: { code: error.name, message: error.message } });
      return this.exit((error as { oclif?: { exit?: number } }).oclif?.exit ?? 1);
    }
    if (this.jsonEnabled()) {
      const { code, message, where, hint } = error;
      this.logJson({ error: { code, message, where, hint } });
    } else {
      process.stderr.write(`Error: ${error.describe()}\n`);
    }
    return this.exit(error.exitCode);
  }
}
