import { Gauge, type Registry } from 'prom-client';
import { waitKinds, type PartitionState } from '../contracts/partition-state.ts';

/** Shows how partitions stand, as they stand when somebody asks. A figure that is not known is not there: an old one would look like a healthy one. */
export function showStates(registry: Registry, states: () => PartitionState[]): void {
  const byPartition = ['pipeline', 'topic', 'partition'];
  const labels = ({ pipeline, topic, partition }: PartitionState) => ({
    pipeline,
    topic,
    partition: String(partition),
  });
  // Where several processes are shown together, the worst of what two tell of a partition counts.
  const gauge = (
    name: string,
    help: string,
    of: (state: PartitionState) => number | undefined,
    aggregator: 'max' | 'min' = 'max',
  ) =>
    new Gauge({
      name,
      help,
      aggregator,
      labelNames: byPartition,
      registers: [registry],
      collect() {
        this.reset();
        for (const state of states()) {
          const value = of(state);
          if (value !== undefined) this.set(labels(state), value);
        }
      },
    });
  gauge(
    'headrace_lag_records',
    'Offsets between what is in a batch and the end of the log, also behind an open transaction.',
    ({ lag }) => lag,
  );
  gauge(
    'headrace_open_transaction_records',
    'Offsets at the end of the log that nobody may read until a transaction ends.',
    ({ logEnd, stableEnd }) =>
      logEnd !== undefined && stableEnd !== undefined ? Math.max(0, logEnd - stableEnd) : undefined,
  );
  gauge(
    'headrace_oldest_waiting_record_seconds',
    'Age of the oldest record that waits to be decided; 0 when none does.',
    ({ lag, oldestSeconds }) => (lag === 0 ? 0 : oldestSeconds),
  );
  gauge(
    'headrace_log_end_known',
    '1 while the end of the log is known.',
    ({ logEnd }) => (logEnd === undefined ? 0 : 1),
    'min',
  );
  new Gauge({
    name: 'headrace_bridge_waiting',
    aggregator: 'max',
    help: '1 for what a partition waits for.',
    labelNames: [...byPartition, 'reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const state of states()) {
        for (const reason of waitKinds)
          if (reason !== 'records' && reason !== 'no_bridge' && reason !== 'unknown')
            this.set({ ...labels(state), reason }, state.waiting.kind === reason ? 1 : 0);
      }
    },
  });
}
