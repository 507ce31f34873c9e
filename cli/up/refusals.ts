import { appendFileSync, rmSync } from 'node:fs';
import type { Console } from './console.ts';

/** This many refused lines are shown; all of them are in the file. */
const shownMax = 20;

/** Tells of refused lines of a file, without burying everything else when there are many. */
export class Refusals {
  readonly #console: Console;
  readonly #file: string;
  readonly #logFile: string;
  #count = 0;

  /** @param logFile gets every refusal; what an earlier run wrote there goes. */
  constructor(console: Console, file: string, logFile: string) {
    this.#console = console;
    this.#file = file;
    this.#logFile = logFile;
    rmSync(logFile, { force: true });
  }

  add(line: number, reason: string): void {
    this.#count += 1;
    const text = `${this.#file}:${line}: refused: ${reason}`;
    appendFileSync(this.#logFile, `${text}\n`);
    if (this.#count <= shownMax) this.#console.line(text);
    else if (this.#count === shownMax + 1)
      this.#console.line(`more lines are refused; all of them are in ${this.#logFile}`);
  }
}
