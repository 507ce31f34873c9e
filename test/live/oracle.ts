import type { KafkaRecord } from '../../contracts/records-frame.ts';
import { eventKey } from '../../contracts/event-key.ts';
import { watermarks } from '../watermark-oracle.ts';
import { allowedLatenessMs, decide, windowMs, type Payment } from './payments.ts';

/** What must be true of one event in every sink that holds it. */
export interface Expected {
  eventKey: string;
  eventId: string;
  account: string;
  features: [number, number, number];
  /** The prediction before the version's bias: y = weighted + bias. */
  weighted: number;
  /** It came so late that windows do not count it. */
  late: boolean;
}

/** The bias by which the two versions of the `linear` model differ. */
const bias: Record<string, number> = { '1': 0.5, '2': 100.5 };

/**
 * Recomputes every event from the records alone, in the plainest way: for each one, all earlier events of its account are looked
 * at again. Records that are no payment are left out.
 */
export function recompute(
  pipeline: string,
  topic: string,
  partitions: ReadonlyMap<number, readonly KafkaRecord[]>,
  epoch = 0,
): Map<string, Expected> {
  const expected = new Map<string, Expected>();
  for (const [partition, records] of partitions) {
    const seen = new Map<string, Payment[]>();
    const payments = records.flatMap((record) => {
      const payment = paymentOf(record.value);
      return payment ? [{ record, payment }] : [];
    });
    const times = watermarks(
      payments.map(({ payment }) => payment.at),
      allowedLatenessMs,
    );
    for (const [i, { record, payment }] of payments.entries()) {
      const { late } = times[i]!;
      const ofAccount = seen.get(payment.account) ?? [];
      seen.set(payment.account, ofAccount);
      if (!late) ofAccount.push(payment);
      const window = ofAccount.filter(({ at }) => at > payment.at - windowMs && at <= payment.at);
      const features: Expected['features'] = [
        Math.fround(payment.amount),
        window.length,
        Math.fround(window.reduce((sum, { amount }) => sum + amount, 0)),
      ];
      const key = eventKey({ deployment: 'test', pipeline, epoch, topic, partition }, record.offset);
      expected.set(key, {
        eventKey: key,
        eventId: payment.id,
        account: payment.account,
        features,
        weighted: features[0] + 2 * features[1] + 4 * features[2],
        late,
      });
    }
  }
  return expected;
}

/** What a sink says of one event, in one form for all sinks. */
export interface Found {
  eventKey: string;
  eventId: string;
  account: string;
  features?: number[];
  y: number;
  version: string;
  outcome: string;
  late?: boolean;
  /** Decided without the model, which the pipeline of the live tests never allows. */
  degraded?: boolean;
}

/** Everything that is wrong with what a sink holds: lost, twice, not expected, or other values than recomputed. */
export function differences(expected: ReadonlyMap<string, Expected>, found: readonly Found[]): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const row of found) {
    const want = expected.get(row.eventKey);
    if (!want) problems.push(`${row.eventKey}: not expected`);
    else problems.push(...rowProblems(want, row).map((problem) => `${row.eventKey}: ${problem}`));
    if (seen.has(row.eventKey)) problems.push(`${row.eventKey}: twice`);
    seen.add(row.eventKey);
  }
  for (const key of expected.keys()) if (!seen.has(key)) problems.push(`${key}: lost`);
  return problems;
}

function rowProblems(want: Expected, row: Found): string[] {
  const problems: string[] = [];
  const y = Math.fround(want.weighted + (bias[row.version] ?? NaN));
  // The model adds up in float32, so its last digits may differ from ours.
  if (!(Math.abs(row.y - y) <= Math.abs(y) * 1e-5))
    problems.push(`y is ${row.y}, recomputed ${y} for version ${row.version}`);
  if (row.eventId !== want.eventId) problems.push(`event id is ${row.eventId}, expected ${want.eventId}`);
  if (row.account !== want.account) problems.push(`account is ${row.account}, expected ${want.account}`);
  if (row.outcome !== decide(row.y).outcome) problems.push(`outcome is ${row.outcome} for y = ${row.y}`);
  if (row.late !== undefined && row.late !== want.late) problems.push(`is ${row.late ? '' : 'not '}marked late`);
  if (row.degraded) problems.push('is marked degraded');
  // Postgres writes a float32 with as few digits as tell it from its neighbours.
  if (row.features && row.features.some((value, i) => Math.fround(value) !== want.features[i]))
    problems.push(`features are ${row.features.join(', ')}, recomputed ${want.features.join(', ')}`);
  return problems;
}

/** A batch's range. */
export interface Range {
  position: number;
  end: number;
}

/** Holes and overlaps of a partition's ranges: none, when they merge into the span from the first position. */
export function chainProblems(ranges: readonly Range[]): string[] {
  const sorted = ranges.toSorted((a, b) => a.position - b.position);
  return sorted.flatMap(({ position }, i) => {
    const previous = sorted[i - 1];
    if (!previous || previous.end === position) return [];
    return [
      `${previous.end < position ? 'hole' : 'overlap'} between ${previous.position}-${previous.end} and ${position}`,
    ];
  });
}

/** The event of a record; undefined for what is none. Looks at the value alone, in the plainest way. */
export function paymentOf(value: Uint8Array | null): Payment | undefined {
  if (!value) return undefined;
  try {
    const { id, account, amount, at } = JSON.parse(Buffer.from(value).toString('utf8')) as Payment;
    const valid =
      typeof id === 'string' &&
      typeof account === 'string' &&
      Number.isFinite(amount) &&
      Number.isFinite(at) &&
      at >= 0;
    return valid ? { id, account, amount, at } : undefined;
  } catch {
    return undefined;
  }
}
