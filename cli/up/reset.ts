import { createInterface } from 'node:readline/promises';
import { diskUseBytes, emptyDataFolder } from '@headrace/stack/supervisor';
import type { DataFolder } from '@headrace/stack/supervisor';
import { formatBytes } from './options.ts';

/** Asks a question on the terminal; undefined when there is none to ask on. */
export type Ask = (question: string) => Promise<string> | undefined;

/** Asks on the terminal that this process was started from. */
export const askTerminal: Ask = (question) => {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  return terminal.question(question).finally(() => terminal.close());
};

/** Empties the data folder once the user agreed. Returns false when the user said no. */
export async function resetData(folder: DataFolder, { yes, ask }: { yes: boolean; ask: Ask }): Promise<boolean> {
  if (!yes) {
    const answer = ask(
      `Delete everything in ${folder.root} (${formatBytes(await diskUseBytes(folder.root))}): events, decisions, reviews, histories? [y/N] `,
    );
    if (answer === undefined)
      throw new Error('--reset asks before it deletes, and there is no terminal to ask on: add --yes');
    if (!/^y(es)?$/i.test((await answer).trim())) return false;
  }
  emptyDataFolder(folder);
  return true;
}
