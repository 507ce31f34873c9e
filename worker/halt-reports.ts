import { Counter, Gauge, type Registry } from 'prom-client';
import type { Halt } from '../scoring/ports.ts';
import type { Logger } from '../lib/log.ts';
import { Rarely } from './rarely.ts';

/** A batch that waits is tried every few seconds, maybe by another worker: what was not told for this long is over. */
const overAfterMs = 60_000;
const toldEveryMs = 10 * 60_000;

/** Shows which partitions wait because their pipeline refuses everything. Take the maximum over the workers. */
export function createHaltReports(
  registry: Registry,
  log: Logger,
  nowMs: () => number = () => performance.now(),
): (halt: Halt) => void {
  const halts = new Map<string, Halt & { atMs: number }>();
  const rarely = new Rarely(toldEveryMs, nowMs);
  const total = new Counter({
    name: 'headrace_halts_total',
    help: 'Batches that wait, or waited, because their pipeline refuses everything.',
    labelNames: ['pipeline', 'code'],
    registers: [registry],
  });
  new Gauge({
    name: 'headrace_halted',
    help: '1 while a partition waits because its pipeline refuses everything; headrace status says why.',
    labelNames: ['pipeline', 'partition', 'code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [name, { pipeline, partition, code, atMs }] of halts) {
        if (nowMs() - atMs > overAfterMs) halts.delete(name);
        else this.set({ pipeline, partition, code }, 1);
      }
    },
  });
  return (halt) => {
    const { pipeline, topic, partition, position, offset, code, message } = halt;
    const name = `${pipeline} ${topic} ${partition}`;
    const before = halts.get(name);
    const isNew = before?.position !== position;
    halts.set(name, { ...halt, atMs: nowMs() });
    if (isNew) total.inc({ pipeline, code });
    rarely.happened(name, 1, isNew, () => log.error({ pipeline, topic, partition, position, offset, code }, message));
  };
}
