import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const program = join(import.meta.dirname, 'store-visitor.mjs');
const complaintCharsMax = 500;

/** Processes that open and close the feature store's file beside those that write it. Each place is taken again when its process was killed. */
export class StoreVisitors {
  /** How often the store was opened and closed. */
  visits = 0;
  /** What processes said that ended by themselves. */
  readonly complaints: string[] = [];
  readonly #places: ChildProcess[];

  constructor(
    private readonly file: string,
    count: number,
  ) {
    this.#places = Array.from({ length: count }, () => this.#start());
  }

  /** SIGKILL to one, wherever it is just then, and another one in its place. */
  async killOne(place: number): Promise<void> {
    await end(this.#places[place]!);
    this.#places[place] = this.#start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#places.map(end));
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, [program, this.file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on('data', (piece: Buffer) => (this.visits += piece.toString().split('\n').length - 1));
    child.stderr.on('data', (piece: Buffer) => (said = `${said}${piece.toString()}`.slice(0, complaintCharsMax)));
    child.once('exit', (code, signal) => {
      if (signal !== 'SIGKILL')
        this.complaints.push(`a visitor of the store ended by itself (${signal ?? code}): ${said}`);
    });
    return child;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
