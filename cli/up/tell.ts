import type { ServiceEvent } from '@headrace/stack/supervisor';
import type { Console } from './console.ts';

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function tail(logFile: string | undefined, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [`  last lines of ${logFile}:`, ...lines.map((line) => `    ${line}`)];
}

/** Puts what the supervisor tells into lines, and for how long each service has been starting. */
export class EventTeller {
  readonly #console: Console;
  readonly #now: () => number;
  /** Since when each of them starts. */
  readonly #starting = new Map<string, number>();

  constructor(console: Console, now: () => number = Date.now) {
    this.#console = console;
    this.#now = now;
  }

  /** Tells one event. */
  tell(event: ServiceEvent): void {
    const { service } = event;
    if (event.type === 'starting') {
      this.#starting.set(service, this.#now());
      return this.#console.status(service, `${service}: starting`);
    }
    this.#starting.delete(service);
    this.#console.clear(service);
    if (event.type === 'ready') return this.#console.line(`${service}: ready in ${seconds(event.tookMs)}`);
    if (event.type !== 'died' && event.type !== 'failed') return;
    const next =
      event.type === 'died'
        ? `; starting it again in ${seconds(event.restartInMs)}`
        : ' and died too often: giving it up';
    for (const line of [`${service} ${event.reason}${next}`, ...tail(event.logFile, event.logTail)])
      this.#console.line(line);
  }

  /** Renews the line of each service that is waited for. To be called every second. */
  renew(): void {
    for (const [service, since] of this.#starting) {
      this.#console.status(service, `${service}: starting, waited ${Math.round((this.#now() - since) / 1_000)} s`);
    }
  }
}
