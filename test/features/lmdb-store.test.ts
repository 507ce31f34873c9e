import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import { activeCommits, idleMs } from '../../features/marker-progress.ts';
import { compileFeatures, foldBatch, MemoryStore, openLmdbStore, type FeatureStore } from '../../features/index.ts';
import { printedBy } from '../lib/child.ts';
import { batchRecords, childLog } from './lmdb-log.ts';
import { applyRange, batchOf, eventsOf, payments, type Payment } from './support.ts';

const plan = compileFeatures(payments);
let dataDir: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'headrace-features-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(dataDir, { recursive: true });
});

interface Line {
  partition: number;
  batch: number;
  result: string;
  failure?: string;
}

/** A process that applies batches `[first, batches)` of a partition once it is told to. */
async function startChild(
  partition: number,
  first: number,
  batches: number,
  { fileBlocksMax }: { fileBlocksMax?: number } = {},
) {
  const limit = fileBlocksMax ? `ulimit -f ${fileBlocksMax};` : '';
  const command = [
    process.execPath,
    '--import',
    'tsx',
    join(import.meta.dirname, 'lmdb-child.ts'),
    dataDir,
    ...[partition, first, batches].map(String),
  ];
  const child = spawn('sh', ['-c', `${limit} exec "$@"`, 'sh', ...command], {
    stdio: ['pipe', 'pipe', fileBlocksMax ? 'ignore' : 'inherit'],
    env: { ...process.env, TSX_DISABLE_CACHE: '1' },
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return {
    child,
    go: () => child.stdin!.write('go\n'),
    next: async (): Promise<Line | undefined> => {
      const { value, done } = await lines.next();
      return done ? undefined : (JSON.parse(value as string) as Line);
    },
  };
}

async function applyBatch(store: FeatureStore, partition: number, i: number): Promise<Buffer> {
  const batch = batchOf(i * batchRecords, (i + 1) * batchRecords, { partition });
  const events = eventsOf(childLog(partition, (i + 1) * batchRecords), batch);
  const result = await store.apply(
    batch,
    foldBatch(
      plan,
      batch,
      events.map(({ offset }) => offset),
      events,
      [],
    ),
  );
  return Buffer.from(result);
}

describe('LMDB store', () => {
  test('killed in the middle of writing, again and again, it holds each batch wholly or not at all', async () => {
    const reference = new MemoryStore();
    const expected: Buffer[] = [];
    const expectedOf = async (i: number) => {
      while (expected.length <= i) expected.push(await applyBatch(reference, 0, expected.length));
      return expected[i]!;
    };
    let first = 0;
    for (const survivors of [1, 7, 3, 12]) {
      const { child, go, next } = await startChild(0, first, 100_000 / batchRecords);
      go();
      for (let i = 0; i < survivors; i++) {
        const line = await next();
        expect(line!.batch).toBe(first + i);
        expect(line!.result).toBe((await expectedOf(first + i)).toString('base64'));
      }
      child.kill('SIGKILL');
      await once(child, 'exit');
      let acknowledged = first + survivors - 1;
      for (let line = await next(); line; line = await next()) acknowledged = line.batch;
      // The batch after the last acknowledged one may have become durable, or not. Either way it counts once from here on.
      const store = openLmdbStore({ dataDir });
      try {
        for (const i of [acknowledged + 1, acknowledged + 2])
          expect(await applyBatch(store, 0, i)).toEqual(await expectedOf(i));
      } finally {
        await store.close();
      }
      first = acknowledged + 3;
    }
  }, 60_000);

  test('two processes that write different partitions over shared entities equal one that applied them in commit order', async () => {
    const batches = 40;
    const processes = [await startChild(0, 0, batches), await startChild(1, 0, batches)];
    for (const { go } of processes) go();
    const lines = (
      await Promise.all(
        processes.map(async ({ next }) => {
          const all: Line[] = [];
          for (let line = await next(); line; line = await next()) all.push(line);
          return all;
        }),
      )
    ).flat();
    const inOrder = lines
      .map(({ partition, batch, result }) => ({ partition, batch, result: Buffer.from(result, 'base64') }))
      .sort((a, b) => sequenceOf(a.result) - sequenceOf(b.result));
    expect(inOrder.map(({ result }) => sequenceOf(result))).toEqual(
      Array.from({ length: 2 * batches }, (_, i) => i + 1),
    );
    // They did take turns, or this would prove little.
    expect(inOrder.slice(0, batches).some(({ partition }) => partition !== inOrder[0]!.partition)).toBe(true);
    const reference = new MemoryStore();
    for (const { partition, batch, result } of inOrder)
      expect(await applyBatch(reference, partition, batch)).toEqual(result);
  }, 60_000);

  test('a full disk is a failure to try again, not the end of the process, and leaves no half batch', async () => {
    const { child, go, next } = await startChild(0, 0, 10_000, { fileBlocksMax: 150 });
    go();
    let acknowledged = -1;
    let line = await next();
    for (; line?.result; line = await next()) acknowledged = line.batch;
    expect(line).toMatchObject({
      batch: acknowledged + 1,
      failure: expect.stringMatching(/^STORE_UNAVAILABLE: .*HEADRACE_DATA_DIR/),
    });
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    const reference = new MemoryStore();
    for (let i = 0; i < acknowledged; i++) await applyBatch(reference, 0, i);
    const store = openLmdbStore({ dataDir });
    try {
      for (let i = acknowledged; i < acknowledged + 3; i++)
        expect(await applyBatch(store, 0, i)).toEqual(await applyBatch(reference, 0, i));
    } finally {
      await store.close();
    }
  }, 60_000);

  test('notices what another store wrote to the same file', async () => {
    const [one, other] = [openLmdbStore({ dataDir }), openLmdbStore({ dataDir: join(dataDir, '.') })];
    const reference = new MemoryStore();
    try {
      for (let i = 0; i < 6; i++)
        expect(await applyBatch(i % 2 ? one : other, 0, i)).toEqual(await applyBatch(reference, 0, i));
    } finally {
      await one.close();
      await other.close();
    }
  });

  test('a small cache changes nothing', async () => {
    const store = openLmdbStore({ dataDir, cacheBytesMax: 2_000 });
    const reference = new MemoryStore();
    try {
      for (let i = 0; i < 6; i++) expect(await applyBatch(store, 0, i)).toEqual(await applyBatch(reference, 0, i));
    } finally {
      await store.close();
    }
  });

  test('forgets the entities that went away', async () => {
    const batches = 80;
    const log: Payment[] = Array.from({ length: batches * batchRecords }, (_, i) => ({
      id: `p${i}`,
      timeMs: i * 125,
      card: `card ${i}`,
      shop: 'shop',
      amount: 1,
    }));
    const store = openLmdbStore({ dataDir });
    for (let i = 0; i < batches; i++)
      await applyRange(store, plan, log, batchOf(i * batchRecords, (i + 1) * batchRecords));
    await store.close();
    const db = open({ path: join(dataDir, 'features', 'state.mdb'), encoding: 'binary', readOnly: true });
    const states = db.getKeysCount({ start: 'state|', end: 'state|\uffff' });
    await db.close();
    // 480 cards lie within what a window can still see.
    expect(states).toBeGreaterThan(480);
    expect(states).toBeLessThan(1_500);
  });

  test('forgets though a partition is idle, one has only dead letters, and an earlier epoch has ended', async () => {
    const days = 2;
    const commits = activeCommits + 200;
    const log: Payment[] = Array.from({ length: commits }, (_, i) => ({
      id: `p${i}`,
      timeMs: (i * days * idleMs) / commits,
      card: `card ${i}`,
      shop: 'shop',
      amount: 1,
    }));
    const store = openLmdbStore({ dataDir });
    try {
      await applyRange(
        store,
        plan,
        log.map((payment) => ({ ...payment, timeMs: 0 })),
        batchOf(0, 300),
      );
      await applyRange(store, plan, log, { ...batchOf(0, 1, { partition: 1 }), epoch: 1 });
      const deadLetter = { ...batchOf(0, 1, { partition: 2 }), epoch: 1 };
      await store.apply(
        deadLetter,
        foldBatch(plan, deadLetter, [0], [], [{ index: 0, step: 'decode', code: 'NOT_JSON', reason: 'none' }]),
      );
      for (let i = 0; i < commits; i++) await applyRange(store, plan, log, { ...batchOf(i, i + 1), epoch: 1 });
    } finally {
      await store.close();
    }
    const db = open({ path: join(dataDir, 'features', 'state.mdb'), encoding: 'binary', readOnly: true });
    const states = [...db.getKeys({ start: 'state|', end: 'state|\uffff' })] as string[];
    await db.close();
    expect(states.filter((key) => key.startsWith('state|test:payments:0|'))).toEqual([]);
    expect(states.length).toBeGreaterThan(1);
    expect(states.length).toBeLessThan(200);
  }, 60_000);

  test.runIf(platform() === 'linux')('ends where no folder can be made, and says which setting to mend', () => {
    const code = `import { openLmdbStore } from './features/index.ts'; try { openLmdbStore({ dataDir: '/proc/nothing' }); } catch (error) { console.log(error.message); }`;
    expect(printedBy(code)).toMatch(
      /^STORE_UNAVAILABLE: the feature store in \/proc\/nothing\/features cannot be opened \(ENOENT.*\); HEADRACE_DATA_DIR must name a local folder.*\n$/,
    );
  });

  test('says which setting to mend when its folder cannot be used', async () => {
    const file = join(dataDir, 'a-file');
    await writeFile(file, '');
    expect(() => openLmdbStore({ dataDir: file })).toThrow(
      /^STORE_UNAVAILABLE: the feature store in .*a-file.* HEADRACE_DATA_DIR must name a local folder/,
    );
  });
});

function sequenceOf(result: Uint8Array): number {
  return decodeFeatures(new Uint8Array(result)).header.commitSequence;
}
