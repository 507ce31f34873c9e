import { BridgeHost } from './bridge-host.ts';
import { poison } from './events.ts';
import { FakeGroup } from './fake-group.ts';
import { FakeLedger } from './fake-ledger.ts';
import { FakeLog, type LogEntry } from './fake-log.ts';
import { FakeSinks } from './fake-sinks.ts';
import { FakeStore } from './fake-store.ts';
import { FakeTemporal } from './fake-temporal.ts';
import { FakeWorkers } from './fake-workers.ts';
import type { Mutant } from './mutants.ts';
import { Operator } from './operator.ts';
import { Oracle } from './oracle.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { Faults, Setting } from './setting.ts';
import type { Trace } from './trace.ts';

/** Everything that one schedule runs on. */
export class World {
  readonly logs: FakeLog[];
  readonly group = new FakeGroup(this);
  readonly temporal = new FakeTemporal(this);
  readonly ledger = new FakeLedger();
  readonly sinks = new FakeSinks(this);
  readonly oracle = new Oracle(this);
  readonly operator = new Operator(this);
  readonly store = new FakeStore(this);
  readonly workers = new FakeWorkers(this);
  readonly hosts: BridgeHost[];
  readonly faults: Faults;
  kafkaIsDown = false;
  modelVersion = 1;
  /** In how many chains the topic is. */
  chains: number;
  /** The last records are written. */
  isProduced = false;

  constructor(
    readonly random: Random,
    readonly scheduler: Scheduler,
    readonly trace: Trace,
    readonly setting: Setting,
    readonly mutant: Mutant,
  ) {
    this.chains = setting.chains;
    this.logs = Array.from({ length: setting.partitions }, () => new FakeLog());
    this.faults = { ...setting.faults };
    this.hosts = ['a', 'b'].map((name) => new BridgeHost(this, name));
  }

  get partitions(): number {
    return this.logs.length;
  }

  /** A producer appends to a partition: mostly records, sometimes what no reader sees. */
  produce(partition: number): void {
    const { random, scheduler, logs, setting } = this;
    const log = logs[partition]!;
    const record = () => ({
      offset: log.end,
      timestampMs: scheduler.nowMs,
      key: null,
      value: random.chance(setting.poison) ? poison : Buffer.from(`v${log.end}`),
    });
    const draw = random.next();
    const entries: LogEntry['kind'][] =
      draw < setting.transactions
        ? random.pick([
            ['record', 'control'],
            ['aborted', 'control'],
            ['aborted', 'aborted', 'control'],
          ])
        : ['record'];
    for (const kind of entries) {
      const value = kind === 'record' ? record() : undefined;
      log.append(
        value ? { kind: 'record', record: value, isPoison: value.value === poison } : { kind: kind as 'control' },
      );
    }
  }

  /** The last record of a partition, which every reader sees. */
  produceLast(partition: number): void {
    const log = this.logs[partition]!;
    log.append({
      kind: 'record',
      record: { offset: log.end, timestampMs: this.scheduler.nowMs, key: null, value: Buffer.from('last') },
      isPoison: false,
    });
    this.isProduced = partition === this.partitions - 1;
  }
}
