import { Gauge, type Registry } from 'prom-client';
import { withTimeout } from '../lib/with-timeout.ts';
import type { SystemStanding } from '../status/standing.ts';
import type { ScheduleState } from '../temporal/schedules.ts';

/** A scrape waits no longer; what is read meanwhile is there for the next one. */
const readTimeoutMs = 2_000;

/** Shows schedules, processes and what stands. A figure that could not be read is not shown: the rules have `absent(...)` for that. */
export function showStanding(registry: Registry, read: () => Promise<SystemStanding>): void {
  const standing = (): Promise<SystemStanding | undefined> => withTimeout(readTimeoutMs, read()).catch(() => undefined);
  const bySchedule = (name: string, help: string, of: (schedule: ScheduleState) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ['schedule'],
      registers: [registry],
      async collect() {
        const state = await standing();
        this.reset();
        for (const schedule of state?.schedules ?? []) {
          const value = of(schedule);
          if (value !== undefined) this.set({ schedule: schedule.name }, value);
        }
      },
    });
  bySchedule('headrace_schedule_paused', '1 while somebody has paused a schedule.', ({ state }) =>
    state === 'paused' ? 1 : 0,
  );
  bySchedule('headrace_schedule_missing', '1 while a schedule does not exist.', ({ state }) =>
    state === 'missing' ? 1 : 0,
  );
  bySchedule(
    'headrace_schedule_age_seconds',
    'How long ago the workflow of a schedule completed.',
    ({ ageSeconds }) => ageSeconds,
  );
  new Gauge({
    name: 'headrace_process_up',
    help: '1 while a process answers at its metrics address, as the gateway sees it.',
    labelNames: ['target'],
    registers: [registry],
    async collect() {
      const state = await standing();
      this.reset();
      for (const { address, reason } of state?.processes ?? [])
        this.set({ target: address }, reason === undefined ? 1 : 0);
    },
  });
  new Gauge({
    name: 'headrace_standstills',
    help: 'What stands or does not do its work; /v1/status says what and why.',
    labelNames: ['kind'],
    registers: [registry],
    async collect() {
      const state = await standing();
      this.reset();
      if (!state) return;
      const { problems, unknown } = state;
      if (Object.keys(unknown).length === 0) this.set({ kind: 'any' }, problems.length);
      for (const { kind } of problems) this.inc({ kind });
    },
  });
}
