import type { ServiceEvent } from '../../stack/supervisor/index.ts';
import type { Console } from './console.ts';

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function tail(logFile: string | undefined, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [`  last lines of ${logFile}:`, ...lines.map((line) => `    ${line}`)];
}

/** Puts what the supervisor tells into lines. */
export function tellEvent(console: Console, event: ServiceEvent): void {
  switch (event.type) {
    case 'starting':
      return console.status(event.service, `${event.service}: starting`);
    case 'ready':
      console.clear(event.service);
      return console.line(`${event.service}: ready in ${seconds(event.tookMs)}`);
    case 'died':
      console.clear(event.service);
      for (const line of [
        `${event.service} ${event.reason}; starting it again in ${seconds(event.restartInMs)}`,
        ...tail(event.logFile, event.logTail),
      ])
        console.line(line);
      return;
    case 'failed':
      console.clear(event.service);
      for (const line of [
        `${event.service} ${event.reason} and died too often: giving it up`,
        ...tail(event.logFile, event.logTail),
      ])
        console.line(line);
      return;
    case 'finished':
    case 'stopped':
      return console.clear(event.service);
  }
}
