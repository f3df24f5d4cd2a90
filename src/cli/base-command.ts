/** What every kvd command shares: flags, printing, and how errors reach the user. */
import { createInterface } from 'node:readline/promises';
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

  /** Overrides of an experiment's keys; like every flag given several times, each takes one value. */
  static setFlag = Flags.string({
    description: 'override a key: a.b=value',
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'KEY=VALUE',
  });

  /** Result text on stdout; nothing with --json. */
  protected print(text: string): void {
    this.log(text);
  }

  /** A note on stderr; nothing with --json. */
  protected note(text: string): void {
    if (!this.jsonEnabled()) process.stderr.write(`${text}\n`);
  }

  /** Whether the user says yes; never where there is nobody to ask. */
  protected async confirm(question: string): Promise<boolean> {
    if (!process.stdin.isTTY || this.jsonEnabled()) return false;
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await terminal.question(question);
    terminal.close();
    return /^y(es)?$/i.test(answer.trim());
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
