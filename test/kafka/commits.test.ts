import type { Kafka } from 'kafkajs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Commits } from '../../kafka/commits.ts';
import { Committer } from '../../bridge/committer.ts';
import { createKafkaSource } from '../../kafka/consumer.ts';
import { messageOf } from '../../contracts/failures.ts';
import type { LogReader } from '../../kafka/log-reader.ts';
import { until } from '../live/wait.ts';
import { instantClock } from '../bridge/fakes.ts';

const at = (partition: number, offset: number) => ({ partition, offset, metadata: '' });

/** Brokers that answer commits when they are told to. */
function silentBrokers() {
  const sent: { partitions: number[]; offset: number; answer(error?: Error): void }[] = [];
  const send = (commits: readonly { partition: number; offset: number }[]) =>
    new Promise<void>((resolve, reject) => {
      const answer = (error?: Error) => (error ? reject(error) : resolve());
      sent.push({ partitions: commits.map(({ partition }) => partition), offset: commits[0]!.offset, answer });
    });
  return { sent, send, offsets: () => sent.map(({ offset }) => offset) };
}

afterEach(() => void vi.useRealTimers());

describe('a commit', () => {
  test('without an answer fails in time, and the next one is handed over when it has ended', async () => {
    vi.useFakeTimers();
    const { send, sent, offsets } = silentBrokers();
    const commits = new Commits(send, 5_000);
    const first = commits.commit([at(0, 1)]).catch(messageOf);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await first).toBe('no answer within 5 s');
    // It waits for its turn as long, and is then never sent.
    const second = commits.commit([at(0, 2)]).catch(messageOf);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await second).toBe('no answer within 5 s');
    expect(offsets()).toEqual([1]);
    sent[0]!.answer();
    const third = commits.commit([at(0, 3)]);
    await vi.advanceTimersByTimeAsync(0);
    expect(offsets()).toEqual([1, 3]);
    sent[1]!.answer();
    await third;
  });

  test('waits for no other partition', async () => {
    const { send, sent } = silentBrokers();
    const commits = new Commits(send, 60_000);
    void commits.commit([at(0, 1)]).catch(() => undefined);
    const other = commits.commit([at(1, 7)]);
    expect(sent.map(({ partitions }) => partitions)).toEqual([[0], [1]]);
    for (const { answer } of sent) answer();
    await other;
  });

  test('of several partitions is one request, and waits while any of them is under way', async () => {
    const { send, sent } = silentBrokers();
    const commits = new Commits(send, 60_000);
    const first = commits.commit([at(0, 1), at(1, 5)]);
    const second = commits.commit([at(1, 6), at(2, 9)]);
    expect(sent.map(({ partitions }) => partitions)).toEqual([[0, 1]]);
    sent[0]!.answer();
    await first;
    await until('the second', () => sent.length === 2, { everyMs: 1 });
    expect(sent[1]!.partitions).toEqual([1, 2]);
    sent[1]!.answer();
    await second;
  });

  test.each([[undefined], [new Error('no broker')]])(
    'that waits is handed over when the one before it ends with %s',
    async (error) => {
      const { send, sent, offsets } = silentBrokers();
      const commits = new Commits(send, 60_000);
      const [first, second] = [commits.commit([at(0, 1)]), commits.commit([at(0, 2)])];
      expect(offsets()).toEqual([1]);
      sent[0]!.answer(error);
      if (error) await expect(first).rejects.toThrow('no broker');
      else await first;
      await until('the second', () => sent.length === 2, { everyMs: 1 });
      sent[1]!.answer();
      await second;
    },
  );

  test('is made again by the partition until it is through, the last one only', async () => {
    const { send, sent, offsets } = silentBrokers();
    const commits = new Commits(send, 5);
    const failed: number[] = [];
    const committer = new Committer(
      {
        clock: instantClock,
        send: (each) => commits.commit(each),
        failed: ({ offset }) => void failed.push(offset),
      },
      new AbortController().signal,
    );
    committer.commit([at(0, 1)]);
    await until('given up', () => failed.length > 0, { everyMs: 1 });
    committer.commit([at(0, 2)]);
    committer.commit([at(0, 3)]);
    let isSettled = false;
    const settled = committer.settled().then(() => (isSettled = true));
    // The first one may be made again before the last one has its turn, and any may run out of its time before it is answered.
    await until(
      'all is through',
      () => {
        for (const { answer } of sent) answer();
        return isSettled;
      },
      { everyMs: 1 },
    );
    await settled;
    expect(offsets().at(-1)).toBe(3);
    expect(offsets()).not.toContain(2);
  });
});

describe('a consumer and its commits', () => {
  /** kafkajs with a coordinator that does not answer commits. */
  function silentCoordinator() {
    const { send, sent, offsets } = silentBrokers();
    const listeners = new Map<string, ((event: unknown) => void)[]>();
    const consumer = {
      events: {
        GROUP_JOIN: 'join',
        FETCH_START: 'fetch_start',
        FETCH: 'fetch',
        START_BATCH_PROCESS: 'batch',
        CRASH: 'crash',
      },
      on: (name: string, listener: (event: unknown) => void) =>
        listeners.set(name, [...(listeners.get(name) ?? []), listener]),
      connect: () => Promise.resolve(),
      subscribe: () => Promise.resolve(),
      run: () => Promise.resolve(),
      disconnect: () => Promise.resolve(),
      commitOffsets: (commits: { partition: number; offset: string }[]) =>
        send(commits.map(({ partition, offset }) => ({ partition, offset: Number(offset) }))),
    };
    const admin = { connect: () => Promise.resolve(), disconnect: () => Promise.resolve() };
    const kafka = { consumer: () => consumer, admin: () => admin } as unknown as Kafka;
    const join = () =>
      listeners.get('join')!.forEach((listener) => listener({ payload: { memberAssignment: { t: [0] } } }));
    return { kafka, sent, offsets, join };
  }
  const options = { topic: 't', groupId: 'g', sessionTimeoutMs: 10_000, chains: 1 };
  const logs = { connect: () => Promise.resolve(), close: () => Promise.resolve() } as unknown as LogReader;

  test('have a deadline of our own', async () => {
    const { kafka } = silentCoordinator();
    await expect(
      createKafkaSource(kafka, { ...options, logs, commitDeadlineMs: 5 }).commit([at(0, 1)]),
    ).rejects.toThrow('no answer within 0.005 s');
  });

  test('that still wait for their turn are dropped with a new assignment, and never sent', async () => {
    const { kafka, sent, offsets, join } = silentCoordinator();
    const source = createKafkaSource(kafka, { ...options, logs });
    await source.start({ assigned: () => {}, fetched: () => true, wantsMore: () => true, crashed: () => {} });
    const first = source.commit([at(0, 1)]);
    const second = source.commit([at(0, 2)]);
    join();
    await expect(second).rejects.toThrow('gave its partitions out anew');
    sent[0]!.answer();
    await first;
    const third = source.commit([at(0, 3)]);
    await until('the third', () => sent.length === 2, { everyMs: 1 });
    sent[1]!.answer();
    await third;
    expect(offsets()).toEqual([1, 3]);
    await source.stop();
  });

  describe('when time passes', () => {
    /** A consumer that has started, and what it says of having crashed. */
    async function started() {
      vi.useFakeTimers({
        toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
      });
      const { kafka, sent } = silentCoordinator();
      const source = createKafkaSource(kafka, { ...options, logs });
      const crashes: string[] = [];
      await source.start({
        assigned: () => {},
        fetched: () => true,
        wantsMore: () => true,
        crashed: ({ message }) => void crashes.push(message),
      });
      return { source, sent, crashes };
    }
    const setBackByAnHour = () => vi.setSystemTime(Date.now() - 3_600_000);

    test('one that never ends makes the consumer crash: its partition would never commit again', async () => {
      const { source, sent, crashes } = await started();
      const [first, other] = [source.commit([at(0, 1)]), source.commit([at(1, 1)])];
      sent[1]!.answer();
      await other;
      const failed = first.catch((error: Error) => error.message);
      await vi.advanceTimersByTimeAsync(59_000);
      expect(await failed).toContain('no answer');
      expect(crashes).toEqual([]);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(crashes).toEqual(['a commit of partitions 0 has been under way for 60 s']);
      await source.stop();
    });

    test('one that never ends says nothing of a consumer that was stopped', async () => {
      const { source, crashes } = await started();
      const failed = source.commit([at(0, 1)]).catch((error: Error) => error.message);
      await source.stop();
      await vi.advanceTimersByTimeAsync(120_000);
      expect(await failed).toContain('no answer');
      expect(crashes).toEqual([]);
    });

    test('a wall clock that is set back makes the consumer crash: kafkajs sends no heartbeats until it has caught up', async () => {
      const { source, crashes } = await started();
      await vi.advanceTimersByTimeAsync(2_000);
      expect(crashes).toEqual([]);
      setBackByAnHour();
      await vi.advanceTimersByTimeAsync(1_000);
      expect(crashes).toEqual(['the clock was set back by 3600 s']);
      await source.stop();
    });

    test('nobody watches the wall clock for a consumer that was stopped', async () => {
      const { source, crashes } = await started();
      await source.stop();
      expect(vi.getTimerCount()).toBe(0);
      setBackByAnHour();
      await vi.advanceTimersByTimeAsync(5_000);
      expect(crashes).toEqual([]);
    });
  });
});
