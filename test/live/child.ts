import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

const readyTimeoutMs = 60_000;
const stderrLinesMax = 20;
const lineCharsMax = 1_000;

/** One of our own processes, started from source as a child that the test may kill. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lastLines: string[] = [];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  ready: Promise<Record<string, unknown>>;

  constructor(
    readonly name: string,
    main: string,
    env: Record<string, string>,
    { cwd, onLine }: { cwd?: string; onLine?: (line: string) => void } = {},
  ) {
    this.#process = spawn(process.execPath, ['--import', 'tsx', main], {
      cwd,
      env: { ...baseEnv(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve) => this.#process.once('exit', (code, signal) => resolve({ code, signal })));
    createInterface({ input: this.#process.stderr! }).on('line', (line) => {
      onLine?.(line);
      this.#lastLines.push(line.slice(0, lineCharsMax));
      if (this.#lastLines.length > stderrLinesMax) this.#lastLines.shift();
    });
    this.ready = new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${name} was not ready within ${readyTimeoutMs} ms\n${this.log()}`)),
        readyTimeoutMs,
      );
      createInterface({ input: this.#process.stdout! }).on('line', (line) => {
        onLine?.(line);
        // Libraries may print lines of their own.
        const said = line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {};
        if (said['ready'] !== true) return;
        clearTimeout(timer);
        resolve(said);
      });
      void this.exited.then(({ code, signal }) => {
        clearTimeout(timer);
        reject(new Error(`${name} ended before it was ready (${signal ?? code})\n${this.log()}`));
      });
    });
    // Whoever needs readiness awaits it; a child that is killed early is no unhandled rejection.
    this.ready.catch(() => undefined);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** The last lines that it logged. */
  log(): string {
    return this.#lastLines.join('\n');
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** SIGKILL, and wait for the end. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** SIGTERM, and wait for the end; SIGKILL after 10 s. Returns the exit code. */
  async stop(): Promise<number | null> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), 10_000);
    const { code } = await this.exited;
    clearTimeout(timer);
    return code;
  }
}

/** What a child needs of our environment, and nothing that would configure it. */
function baseEnv(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH'];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
