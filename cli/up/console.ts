/** Where `headrace up` writes. Everything goes to standard output; standard error is for the final error. */
export interface ConsoleTarget {
  write: (text: string) => void;
  /** Width of the terminal; undefined when there is none. */
  columns: () => number | undefined;
}

/** How often a line that keeps changing is printed where there is no terminal to redraw it on. */
const plainIntervalMs = 10_000;

/**
 * Lines that stay and, below them, lines that change in place (one per key). Without a terminal a changing line is
 * printed plainly at its first appearance and then every ten seconds.
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

  /** Shows or changes the line of this key. */
  status(key: string, text: string): void {
    if (this.#target.columns() !== undefined) {
      this.#changing.set(key, text);
      return this.#redraw('');
    }
    const now = this.#now();
    if (now - (this.#printedAt.get(key) ?? -Infinity) < plainIntervalMs) return;
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
    const erase = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\u001b[J`;
    const lines = [...this.#changing.values()].map((text) => (text.length < columns ? text : `${text.slice(0, Math.max(0, columns - 2))}…`));
    this.#drawn = lines.length;
    this.#target.write(erase + above + lines.map((text) => `${text}\n`).join(''));
  }
}
