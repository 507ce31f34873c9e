import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second, whatever its timer does. */
const microsPerTick = 10_000;

export interface ProcessStat {
  parent: number;
  /** CPU time of the process itself, in microseconds. */
  ownMicros: number;
  /** CPU time of its children that ended and were waited for. */
  endedChildrenMicros: number;
}

/** Reads the text of `/proc/<pid>/stat`. A program's name may hold spaces and brackets, so fields are counted behind the last one. */
export function parseStat(text: string): ProcessStat {
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [userTicks, systemTicks, childUserTicks, childSystemTicks] = fields.slice(11, 15) as [
    number,
    number,
    number,
    number,
  ];
  return {
    parent: fields[1]!,
    ownMicros: (userTicks + systemTicks) * microsPerTick,
    endedChildrenMicros: (childUserTicks + childSystemTicks) * microsPerTick,
  };
}

/** Reads a size of `/proc/<pid>/status`, in bytes. NaN when it is not there. */
export function parseStatusBytes(text: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text);
  return match ? Number(match[1]) * 1_024 : Number.NaN;
}

/** CPU time that a process and all its descendants have used, in microseconds. NaN where there is no /proc. */
export function cpuMicrosOfTree(root: number): number {
  const stats = new Map<number, ProcessStat>();
  for (const name of readProc(() => readdirSync('/proc')) ?? []) {
    const text = /^\d+$/.test(name) ? readProc(() => readFileSync(`/proc/${name}/stat`, 'utf8')) : undefined;
    if (text) stats.set(Number(name), parseStat(text));
  }
  const sum = (pid: number): number => {
    const { ownMicros, endedChildrenMicros } = stats.get(pid) ?? { ownMicros: Number.NaN, endedChildrenMicros: 0 };
    let micros = ownMicros + endedChildrenMicros;
    for (const [child, { parent }] of stats) if (parent === pid) micros += sum(child);
    return micros;
  };
  return sum(root);
}

/** Memory of a process that is its own and not a file's, in bytes. NaN where there is no /proc. */
export function rssAnonBytes(pid: number): number {
  return parseStatusBytes(readProc(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '', 'RssAnon');
}

/** The machine's load of the last minute, and NaN where there is no /proc. */
export function loadAverage(): number {
  return Number.parseFloat(readProc(() => readFileSync('/proc/loadavg', 'utf8')) ?? '');
}

/** Processes come and go while they are listed. */
function readProc<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** What some processes use over a span of time. */
export class UsageProbe {
  readonly #startMicros: Map<string, number>;
  readonly #rssPeak = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  /** Begins to measure. Memory is looked at every `everyMs`. */
  constructor(
    private readonly pids: Readonly<Record<string, number>>,
    everyMs = 500,
  ) {
    this.#startMicros = this.#micros();
    this.#timer = setInterval(() => this.#look(), everyMs);
    this.#look();
  }

  /** Ends the measuring. CPU time since the beginning, and the peak of anonymous memory, by name. */
  stop(): { cpuMicros: Map<string, number>; rssAnonPeak: Map<string, number> } {
    clearInterval(this.#timer);
    this.#look();
    const cpuMicros = new Map(
      [...this.#micros()].map(([name, micros]) => [name, micros - this.#startMicros.get(name)!]),
    );
    return { cpuMicros, rssAnonPeak: this.#rssPeak };
  }

  #micros(): Map<string, number> {
    return new Map(Object.entries(this.pids).map(([name, pid]) => [name, cpuMicrosOfTree(pid)]));
  }

  #look(): void {
    for (const [name, pid] of Object.entries(this.pids)) {
      const bytes = rssAnonBytes(pid);
      this.#rssPeak.set(name, Math.max(this.#rssPeak.get(name) ?? 0, Number.isNaN(bytes) ? 0 : bytes));
    }
  }
}
