import { setTimeout as sleep } from 'node:timers/promises';
import { fullMessageOf } from '../../contracts/failures.ts';
import {
  recordParts,
  removeEndpoints,
  RunState,
  Supervisor,
  watchDisk,
  writeEndpoints,
} from '@headrace/stack/supervisor';
import type { DataFolder, DiskWatch } from '@headrace/stack/supervisor';
import type { Console } from './console.ts';
import { describeDiskLimit } from './disk-limit.ts';
import { describeFigures } from './live/line.ts';
import { isOfEnded, logFileOf } from '../status-report.ts';
import { StandstillTeller, watchStandstills, type Standstills } from './live/standstills.ts';
import { watchFigures } from './live/watch.ts';
import { formatBytes } from './options.ts';
import { Room } from './room.ts';
import type { Plan } from './plan.ts';
import { EventTeller } from './tell.ts';
import { keepTrimmed } from './trim.ts';

export interface SessionOptions {
  plan: Plan;
  folder: DataFolder;
  console: Console;
  diskBytesMax: number;
}

/** One run of the whole system: its services, its files in the data folder, its live line. */
export class Session {
  readonly supervisor: Supervisor;
  readonly #options: SessionOptions;
  readonly #runState: RunState;
  readonly #teller: EventTeller;
  readonly #ended = new AbortController();
  readonly #background: Promise<void>[] = [];
  #disk: DiskWatch | undefined;
  #stopping = false;
  /** Nothing in the folder can be tidied up then. */
  isFolderLost = false;
  #lose!: (error: Error) => void;
  /** Rejects when the data folder cannot be written any more: nothing that runs on it can go on. */
  readonly folderLost = new Promise<never>((_, reject) => (this.#lose = reject));
  /** Whether events may be produced: not while the data folder takes too much. */
  readonly room = new Room();
  /** Aborted when nothing may be produced any more. */
  readonly producing = new AbortController();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#runState = new RunState(options.folder.runStateFile);
    this.#teller = new EventTeller(options.console);
    this.supervisor = new Supervisor({
      services: options.plan.services,
      onEvent: (event) => {
        if (!this.#stopping) this.#teller.tell(event);
        this.#keep();
      },
      onPid: (service, pid) => this.#keep(() => this.#runState.record(service, pid)),
    });
    this.folderLost.catch(() => undefined);
  }

  /** Starts everything and keeps an eye on the disk. Rejects with the first failure. */
  async start(): Promise<void> {
    const { folder, console, diskBytesMax } = this.#options;
    this.#disk = watchDisk({
      folder: folder.root,
      bytesMax: diskBytesMax,
      logFiles: () => this.supervisor.status().flatMap(({ logFile }) => (logFile === undefined ? [] : [logFile])),
      onLimit: (bytes) => this.#stopProducing(bytes),
      onRoom: (bytes) => this.#goOnProducing(bytes),
      onError: (error) =>
        !this.#stopping &&
        console.line(`the watch over the size of ${folder.root} failed, and tries again: ${fullMessageOf(error)}`),
    });
    const timer = setInterval(() => this.#teller.renew(), 1_000);
    try {
      await this.supervisor.start();
      recordParts(folder.root);
    } finally {
      clearInterval(timer);
    }
  }

  /** Shows the live line until the end. */
  showFigures(): void {
    const { plan, console } = this.#options;
    const { metrics, pipelines } = plan.endpoints([]);
    const names = pipelines.map(({ name }) => name);
    const teller = new StandstillTeller();
    let standstills: Standstills | undefined;
    this.#background.push(
      watchStandstills({
        gatewayUrl: () => plan.endpoints([]).gateway.url,
        signal: this.#ended.signal,
        onStandstills: (found) => {
          const processes = { metrics, services: this.supervisor.status() };
          standstills = { ...found, problems: found.problems.filter((problem) => !isOfEnded(processes, problem)) };
          for (const line of teller.lines(standstills, (log) => logFileOf(processes, log))) console.line(line);
        },
      }),
    );
    if (plan.trimming !== undefined) this.#background.push(this.#trim(plan.trimming));
    this.#background.push(
      watchFigures({
        targets: metrics,
        signal: this.#ended.signal,
        onFigures: (figures) =>
          describeFigures(figures, this.supervisor.status(), names, standstills).forEach((line, index) =>
            console.status(`live ${index}`, line),
          ),
      }),
    );
  }

  #trim(trimming: NonNullable<Plan['trimming']>): Promise<void> {
    const { console } = this.#options;
    return keepTrimmed({
      ...trimming(),
      signal: this.#ended.signal,
      onError: (error) => console.line(`old events in Kafka are not deleted: ${fullMessageOf(error)}`),
    });
  }

  /** Stops everything in order, within ten seconds. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#ended.abort();
    this.producing.abort();
    await this.supervisor.stop();
    // A look at a large folder may take longer than we have.
    await Promise.race([Promise.all([this.#disk?.stop(), ...this.#background]), sleep(500, undefined, { ref: false })]);
    if (this.isFolderLost) return;
    this.#runState.clear();
    removeEndpoints(this.#options.folder.endpointsFile);
  }

  /** Writes down what has changed, for the next start and for other programs. */
  #keep(write?: () => void): void {
    const { folder, plan } = this.#options;
    const endpoints = plan.endpoints(this.supervisor.status());
    try {
      write?.();
      writeEndpoints(folder.endpointsFile, endpoints);
    } catch (error) {
      this.isFolderLost = true;
      this.#lose(
        new Error(
          `the data folder ${folder.root} cannot be written any more (${fullMessageOf(error)}); was it deleted, or is the disk full?`,
          { cause: error },
        ),
      );
    }
  }

  async #stopProducing(bytes: number): Promise<void> {
    const { folder, console, diskBytesMax, plan } = this.#options;
    this.room.close();
    if (this.#hasGenerator) await this.supervisor.stopService('generator');
    const limit = {
      folder: folder.root,
      bytes,
      bytesMax: diskBytesMax,
      retentionHours: plan.retentionHours(),
      decisionsHours: plan.decisionsHours,
    };
    const lines = await describeDiskLimit(limit);
    console.line();
    for (const line of lines) console.line(`!!! ${line}`);
    console.line();
  }

  async #goOnProducing(bytes: number): Promise<void> {
    const { folder, console } = this.#options;
    if (this.#hasGenerator) await this.supervisor.startService('generator');
    this.room.open();
    console.line(`${folder.root} takes ${formatBytes(bytes)}: there is room again, and events are produced again`);
  }

  get #hasGenerator(): boolean {
    return this.#options.plan.services.some(({ name }) => name === 'generator');
  }
}
