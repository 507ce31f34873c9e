/** Where `headrace up` writes. Everything goes to standard output; standard error is for the final error. */
export interface ConsoleTarget {
  write: (text: string) => void;
  /** Width of the terminal; undefined when there is none. */
  columns: () => number | undefined;
}

/** How often a line that keeps changing is printed where there is no terminal to redraw it on. */
const plainIntervalMs = 10_000;
/** Back to the start of the line, over what the terminal has written there itself (the ^C of a Ctrl+C), and nothing below. */
const eraseLine = '\r\u001b[J';

/**
 * Lines that stay and, below them, lines that change in place (one per key). Without a terminal a changing line is
 * printed plainly at its first appearance and then every ten seconds, or as often as its writer says.
 */
export class Console {
  readonly #target: ConsoleTarget;
  readonly #now: () => number;
  readonly #changing = new Map<string, string>();
  readonly #printedAt = new Map<string, number>();
  #drawn = 0;

  constructor(target: ConsoleTarget, now: () => number = Date.now) {
    this.#target = target;
    this.#now = now;
  }

  /** Prints a line that stays. */
  line(text = ''): void {
    this.#redraw(`${text}\n`);
  }

  /** Shows or changes the line of this key. Without a terminal it is printed no more often than every `intervalMs`. */
  status(key: string, text: string, intervalMs = plainIntervalMs): void {
    if (this.#target.columns() !== undefined) {
      this.#changing.set(key, text);
      return this.#redraw('');
    }
    const now = this.#now();
    if (now - (this.#printedAt.get(key) ?? -Infinity) < intervalMs) return;
    this.#printedAt.set(key, now);
    this.#target.write(`${text}\n`);
  }

  /** Takes the line of this key away. */
  clear(key: string): void {
    this.#printedAt.delete(key);
    if (this.#changing.delete(key)) this.#redraw('');
  }

  /** Takes all changing lines away. */
  clearAll(): void {
    this.#printedAt.clear();
    this.#changing.clear();
    this.#redraw('');
  }

  #redraw(above: string): void {
    const columns = this.#target.columns();
    if (columns === undefined) {
      if (above !== '') this.#target.write(above);
      return;
    }
    const erase = this.#drawn === 0 ? eraseLine : `\u001b[${this.#drawn}A${eraseLine}`;
    const lines = [...this.#changing.values()].flatMap((text) => folded(text, columns));
    this.#drawn = lines.length;
    this.#target.write(erase + above + lines.map((text) => `${text}\n`).join(''));
  }
}

const separator = ' | ';

/** A text as lines that fit: broken between its parts, and what is too long by itself is cut. A line that the terminal wrapped could not be redrawn. */
function folded(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const part of text.split(separator)) {
    const joined = lines.length === 0 ? part : `${lines.at(-1)}${separator}${part}`;
    if (lines.length > 0 && joined.length < columns) lines[lines.length - 1] = joined;
    else lines.push(part);
  }
  return lines.map((line) => (line.length < columns ? line : `${line.slice(0, Math.max(0, columns - 2))}…`));
}
