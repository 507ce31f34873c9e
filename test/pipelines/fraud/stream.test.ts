import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import pipeline from '../../../pipelines/fraud/index.ts';
import { parse } from './parse.ts';
import type { PaymentEvent } from '../../../pipelines/fraud/simulator/payment-event.ts';
import { openProgress } from '../../../pipelines/fraud/simulator/progress.ts';
import { simulateDays } from '../../../pipelines/fraud/simulator/simulate.ts';
import { streamPayments, type StreamOptions } from '../../../pipelines/fraud/simulator/stream.ts';
import { bookWorld } from '../../../pipelines/fraud/simulator/world.ts';
import { printedBy } from '../../lib/child.ts';

const world = { ...bookWorld, customers: 50, terminals: 100, days: 5, radius: 20 };
const total = [...simulateDays(world)].flat().length;
let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'headrace-simulator-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

function options(more: Partial<StreamOptions>): StreamOptions {
  return {
    days: simulateDays(world),
    rate: 1_000_000,
    publish: async () => {},
    progress: openProgress(dataDir),
    onPublished: () => {},
    onFailed: (error) => expect.unreachable(String(error)),
    signal: new AbortController().signal,
    ...more,
  };
}

describe('the stream of simulated payments', () => {
  test('is in time order, has distinct ids, and fits the pipeline', async () => {
    const events: PaymentEvent[] = [];
    await streamPayments(options({ publish: async (some) => void events.push(...some) }));
    expect(events.map(({ transactionId }) => transactionId)).toEqual(
      Array.from({ length: total }, (_, i) => `tx-${i}`),
    );
    const times = events.map((event) => pipeline.eventTimeMs(parse(event)));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(events[0]!.eventTime).toMatch(/^2018-04-01T/);
  });

  test('goes on where it was stopped', async () => {
    const events: PaymentEvent[] = [];
    for (const stopAfter of [1, 50, Infinity]) {
      const stopping = new AbortController();
      const before = events.length;
      await streamPayments(
        options({
          rate: 5_000,
          signal: stopping.signal,
          publish: async (some) => {
            events.push(...some);
            if (events.length - before >= stopAfter) stopping.abort();
          },
        }),
      );
      expect(JSON.parse(await readFile(join(dataDir, 'simulator', 'fraud.json'), 'utf8'))).toEqual({
        published: events.length,
      });
    }
    expect(events.map(({ transactionId }) => transactionId)).toEqual(
      Array.from({ length: total }, (_, i) => `tx-${i}`),
    );
  });

  test('tries the same events again when they could not be published', async () => {
    const tries: string[] = [];
    const failures: unknown[] = [];
    const stopping = new AbortController();
    await streamPayments(
      options({
        signal: stopping.signal,
        publish: async ([first]) => {
          tries.push(first!.transactionId);
          if (tries.length === 1) throw new Error('no broker');
          stopping.abort();
        },
        onFailed: (error) => failures.push(error),
      }),
    );
    expect(tries).toEqual(['tx-0', 'tx-0']);
    expect(failures).toEqual([new Error('no broker')]);
  });

  test.runIf(platform() === 'linux')(
    'ends where no folder can be made for its progress, and says which setting to mend',
    () => {
      const code = `import { openProgress } from './pipelines/fraud/simulator/progress.ts'; try { openProgress('/proc/nothing'); } catch (error) { console.log(error.message); }`;
      expect(printedBy(code)).toMatch(
        /^the simulator cannot keep its progress in \/proc\/nothing\/.* check HEADRACE_DATA_DIR/,
      );
    },
  );

  test('says which file to mend when its progress cannot be read', async () => {
    openProgress(dataDir).save(7);
    expect(openProgress(dataDir).published()).toBe(7);
    await writeFile(join(dataDir, 'simulator', 'fraud.json'), '{"published":-1}');
    expect(() => openProgress(dataDir)).toThrow(/progress in .*fraud\.json .*HEADRACE_DATA_DIR/);
  });
});
