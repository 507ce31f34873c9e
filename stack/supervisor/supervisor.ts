import { setTimeout as sleep } from 'node:timers/promises';
import { killAfterMs } from '../servers/process.ts';
import { defaultRestartPolicy } from './restart-policy.ts';
import type { RestartPolicy } from './restart-policy.ts';
import { assertStartable, dependantsOf } from './service-order.ts';
import { ServiceRunner, StoppedError } from './service-runner.ts';
import type { Service, ServiceEvent, ServiceState } from './service.ts';

export interface SupervisorOptions {
  services: Service[];
  onEvent?: (event: ServiceEvent) => void;
  /** Told every new pid and, with undefined, that the last one is gone. */
  onPid?: (service: string, pid: number | undefined) => void;
  /** @default 5 deaths in 5 minutes, 0.5 s to 10 s apart */
  restartPolicy?: RestartPolicy;
  /** This long into a stop everything that is left is killed. @default a second after `killAfterMs` */
  stopTimeoutMs?: number;
}

/** One line of the supervisor's state, for people and for `endpoints.json`. */
export interface ServiceStatus {
  name: string;
  state: ServiceState;
  pid: number | undefined;
  logFile: string | undefined;
}

/**
 * Starts services side by side, each as soon as what it needs is ready; restarts those that die; stops them in the
 * reverse order.
 */
export class Supervisor {
  /** Rejects when an essential service is given up; never resolves. */
  readonly failed: Promise<never>;
  readonly #services: Service[];
  readonly #runners: Map<string, ServiceRunner>;
  readonly #newRunner: (service: Service) => ServiceRunner;
  readonly #stopTimeoutMs: number;
  readonly #starts = new Map<string, Promise<void>>();
  #stopping: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    const {
      services,
      onEvent = () => undefined,
      onPid = () => undefined,
      restartPolicy: policy = defaultRestartPolicy,
    } = options;
    assertStartable(services);
    this.#services = services;
    this.#stopTimeoutMs = options.stopTimeoutMs ?? killAfterMs + 1_000;
    let giveUp: (error: Error) => void;
    this.failed = new Promise((_, reject) => {
      giveUp = reject;
    });
    this.failed.catch(() => undefined);
    this.#newRunner = (service) =>
      new ServiceRunner({
        service,
        policy,
        onEvent,
        onPid: (pid) => onPid(service.name, pid),
        onFailed: (reason) => {
          if (service.essential !== false) giveUp(new Error(`${service.name} ${reason}`));
        },
      });
    this.#runners = new Map(services.map((service) => [service.name, this.#newRunner(service)]));
  }

  /** Resolves when everything is ready. Rejects with the first failure; the caller then stops what did start. */
  async start(): Promise<void> {
    await Promise.all(this.#services.map((service) => this.#firstStart(service)));
  }

  /** Stops everything, what depends on others first. Within the time-out, whatever the services do. Safe to call again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  /** Stops one service until `startService`, for instance the generator at the disk limit. */
  async stopService(name: string): Promise<void> {
    await this.#runner(name).stop();
  }

  /**
   * Starts a service that is stopped or was given up, as soon as what it needs has started. Does nothing where it runs or is on its way, and
   * while everything stops. Rejects when it does not come up.
   */
  async startService(name: string): Promise<void> {
    const { service } = this.#runner(name);
    await Promise.all(service.needs.map((need) => this.#starts.get(need) ?? Promise.resolve()));
    const { state } = this.#runner(name);
    if (this.#stopping !== undefined || (state !== 'stopped' && state !== 'failed')) return;
    const runner = this.#newRunner(service);
    this.#runners.set(name, runner);
    await runner.start();
  }

  /** Ends every process group at once: for a second Ctrl+C. */
  killAll(): void {
    for (const runner of this.#runners.values()) runner.kill();
  }

  status(): ServiceStatus[] {
    return [...this.#runners.values()].map(({ service, state, pid, logFile }) => ({
      name: service.name,
      state,
      pid,
      logFile,
    }));
  }

  /** Of a service and, before it, of what it needs; once each. */
  #firstStart(service: Service): Promise<void> {
    const known = this.#starts.get(service.name);
    if (known !== undefined) return known;
    // Stopped meanwhile and started again, it has another runner, which is on its way already.
    const runner = this.#runner(service.name);
    const started = Promise.all(service.needs.map((need) => this.#firstStart(this.#runner(need).service)))
      .then(() => {
        if (this.#stopping !== undefined) throw new StoppedError('stopping');
        return runner.start();
      })
      .catch((error: unknown) => {
        // A service that was stopped by itself meanwhile (the generator at the disk limit) is no reason to stop the others.
        if (!(error instanceof StoppedError) || this.#stopping !== undefined) throw error;
      });
    this.#starts.set(service.name, started);
    return started;
  }

  #runner(name: string): ServiceRunner {
    const runner = this.#runners.get(name);
    if (runner === undefined) throw new Error(`no service ${name}`);
    return runner;
  }

  async #stopAll(): Promise<void> {
    const stops = new Map<string, Promise<void>>();
    const stopOf = (name: string): Promise<void> => {
      const known = stops.get(name);
      if (known !== undefined) return known;
      const stopped = Promise.all(dependantsOf(this.#services, name).map(stopOf)).then(() => this.#runner(name).stop());
      stops.set(name, stopped);
      return stopped;
    };
    const inOrder = Promise.all(this.#services.map((service) => stopOf(service.name))).then(() => undefined);
    const over = new AbortController();
    const deadline = sleep(this.#stopTimeoutMs, undefined, { signal: over.signal }).then(async () => {
      this.killAll();
      // Only a task of our own process, which no signal reaches, can still be under way after this.
      await sleep(500, undefined, { signal: over.signal });
    });
    await Promise.race([inOrder, deadline]).finally(() => {
      over.abort();
      deadline.catch(() => undefined);
    });
  }
}
