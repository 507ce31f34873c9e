import { setTimeout as sleep } from 'node:timers/promises';
import { describeExit, signalGroup } from '../servers/process.ts';
import type { Exit } from '../servers/process.ts';
import { restartDelayMs } from './restart-policy.ts';
import type { RestartPolicy } from './restart-policy.ts';
import type { Running, Service, ServiceEvent, ServiceState } from './service.ts';

export interface ServiceRunnerOptions {
  service: Service;
  policy: RestartPolicy;
  onEvent: (event: ServiceEvent) => void;
  /** Told the pid of every launch, and undefined when that process is gone. */
  onPid: (pid: number | undefined) => void;
  /** The service will not come back by itself. */
  onFailed: (reason: string) => void;
}

/** Thrown by a start that was cut short by a stop. */
export class StoppedError extends Error {
  override name = 'StoppedError';
}

const logTailLines = 15;

/** The life of one service: first start, deaths, restarts with back-off, stop. */
export class ServiceRunner {
  readonly service: Service;
  state: ServiceState = 'waiting';
  /** Known from the launch on, so that a stop reaches what is not ready yet. */
  pid: number | undefined;
  readonly #options: ServiceRunnerOptions;
  readonly #deathsMs: number[] = [];
  readonly #stopRequest = new AbortController();
  #running: Running | undefined;
  /** The start or restart loop under way. */
  #activity: Promise<void> = Promise.resolve();

  constructor(options: ServiceRunnerOptions) {
    this.#options = options;
    this.service = options.service;
  }

  get logFile(): string | undefined {
    return this.#running?.logFile;
  }

  /** The first start. Rejects when it fails: that is a wrong setting, and trying again would hide it. */
  async start(): Promise<void> {
    const started = this.#launch();
    this.#activity = started.catch(() => undefined);
    await started;
  }

  /** Stops it for good, in whatever state it is. */
  async stop(): Promise<void> {
    this.#stopRequest.abort();
    if (this.#running !== undefined) await this.#running.stop();
    else if (this.pid !== undefined) signalGroup(this.pid, 'SIGTERM');
    await this.#activity;
    // A start that was under way may have come up after the request.
    await this.#running?.stop();
    if (this.state !== 'finished' && this.state !== 'failed') this.#become('stopped');
  }

  /** Ends its process group at once. */
  kill(): void {
    this.#stopRequest.abort();
    if (this.pid !== undefined) signalGroup(this.pid, 'SIGKILL');
  }

  #become(state: ServiceState): void {
    if (this.state === state) return;
    this.state = state;
    if (state === 'finished' || state === 'stopped') this.#options.onEvent({ type: state, service: this.service.name });
  }

  #setPid(pid: number | undefined): void {
    this.pid = pid;
    this.#options.onPid(pid);
  }

  async #launch(): Promise<void> {
    const { name } = this.service;
    if (this.#stopRequest.signal.aborted) throw new StoppedError(`${name} was not started: stopping`);
    const startedAt = Date.now();
    if (this.state === 'waiting') this.state = 'starting';
    this.#options.onEvent({ type: 'starting', service: name });
    let running: Running | undefined;
    try {
      running = await this.service.start((pid) => this.#setPid(pid));
    } catch (error) {
      this.#setPid(undefined);
      if (this.#stopRequest.signal.aborted)
        throw new StoppedError(`${name} was not started: stopping`, { cause: error });
      if (this.state === 'starting') this.state = 'failed';
      throw error;
    }
    if (running === undefined) return this.#become('finished');
    this.#running = running;
    if (this.pid !== running.pid) this.#setPid(running.pid);
    this.state = 'ready';
    this.#options.onEvent({ type: 'ready', service: name, tookMs: Date.now() - startedAt });
    void running.exited.then((exit) => this.#onExit(running, exit));
  }

  #onExit(running: Running, exit: Exit): void {
    this.#running = undefined;
    this.#setPid(undefined);
    if (this.#stopRequest.signal.aborted) return;
    if (this.service.mayFinish === true && exit.code === 0) return this.#become('finished');
    this.#activity = this.#restart(describeExit(exit), running.logFile, running.logTail(logTailLines));
  }

  /** Loops until it is up again, given up, or stopped. Bounded by the policy. */
  async #restart(firstReason: string, logFile: string, firstTail: string[]): Promise<void> {
    const service = this.service.name;
    let reason = firstReason;
    let logTail = firstTail;
    for (;;) {
      this.#deathsMs.push(Date.now());
      const restartInMs = restartDelayMs(this.#deathsMs, this.#options.policy);
      if (restartInMs === undefined) {
        this.state = 'failed';
        this.#options.onEvent({ type: 'failed', service, reason, logFile, logTail });
        return this.#options.onFailed(reason);
      }
      this.state = 'restarting';
      this.#options.onEvent({ type: 'died', service, reason, logFile, logTail, restartInMs });
      try {
        await sleep(restartInMs, undefined, { signal: this.#stopRequest.signal });
        return await this.#launch();
      } catch (error) {
        if (this.#stopRequest.signal.aborted) return;
        // The message of a failed start ends with the log already.
        reason = `did not come up again: ${(error as Error).message}`;
        logTail = [];
      }
    }
  }
}
