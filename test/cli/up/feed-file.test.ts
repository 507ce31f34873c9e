import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { feedFile } from '../../../cli/up/feed-file.ts';
import type { FeedProgress } from '../../../cli/up/feed-file.ts';
import { Room } from '../../../cli/up/room.ts';
import { temporaryFolder } from '../../stack/servers/trial.ts';

interface Fake {
  url: string;
  taken: { n: number }[];
  requests: number[];
}

/** Stands in for the gateway's event route: all or none, negative `n` is refused, `answerFirst` before anything else. */
async function fakeGateway({ answerFirst = [] as number[] } = {}): Promise<Fake> {
  const fake: Fake = { url: '', taken: [], requests: [] };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => void (body += chunk));
    request.on('end', () => {
      const events = JSON.parse(body) as { n: number }[];
      fake.requests.push(events.length);
      const status = answerFirst.shift();
      if (status !== undefined)
        return response.writeHead(status).end(JSON.stringify({ detail: `told to answer ${status}` }));
      const errors = events.flatMap(({ n }, index) => (n < 0 ? [{ index, reason: `n: ${n} is below 0` }] : []));
      if (errors.length > 0) return response.writeHead(400).end(JSON.stringify({ detail: 'refused', errors }));
      fake.taken.push(...events);
      return response.writeHead(202).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}

function fileOf(lines: string[]): string {
  const file = join(temporaryFolder(), 'events.jsonl');
  writeFileSync(file, lines.join('\n'));
  return file;
}

async function feed(
  gateway: Fake,
  lines: string[],
  {
    signal = new AbortController().signal,
    ...more
  }: { signal?: AbortSignal; rate?: number; room?: () => Promise<void> } = {},
) {
  const refused: [number, string][] = [];
  const told: FeedProgress[] = [];
  const result = feedFile({
    file: fileOf(lines),
    gatewayUrl: gateway.url,
    pipeline: 'fraud',
    ...more,
    signal,
    onProgress: (progress) => void told.push(progress),
    onRefused: ({ line, reason }) => void refused.push([line, reason]),
  });
  return { result: await result, refused, told };
}

describe('feeding a file', () => {
  it('takes the good lines in order and names the bad ones by their number in the file', async () => {
    const gateway = await fakeGateway();
    const { result, refused, told } = await feed(gateway, [
      '{"n":1}',
      '',
      '{"n":-2}',
      'nonsense',
      '{"n":3}\r',
      '{"n":-4}',
      '{"n":5}',
    ]);
    expect(gateway.taken).toEqual([{ n: 1 }, { n: 3 }, { n: 5 }]);
    expect(refused).toEqual([
      [3, 'n: -2 is below 0'],
      [4, 'the line is no JSON text'],
      [6, 'n: -4 is below 0'],
    ]);
    expect(result).toEqual({ accepted: 3, refused: 3 });
    expect(told).toEqual([{ accepted: 3, refused: 3 }]);
  });

  it('sends no more than the gateway takes at once', async () => {
    const gateway = await fakeGateway();
    await feed(
      gateway,
      Array.from({ length: 1_201 }, (_, n) => JSON.stringify({ n })),
    );
    expect(gateway.requests).toEqual([500, 500, 201]);
    expect(gateway.taken.map(({ n }) => n)).toEqual(Array.from({ length: 1_201 }, (_, n) => n));
  });

  it('sends again while the gateway cannot take events', async () => {
    const gateway = await fakeGateway({ answerFirst: [503, 503] });
    const { result } = await feed(gateway, ['{"n":1}', '{"n":2}']);
    expect(result).toEqual({ accepted: 2, refused: 0 });
    expect(gateway.taken).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('halves a request that is refused as a whole until the line stands alone', async () => {
    const gateway = await fakeGateway({ answerFirst: [413, 413] });
    const { result, refused } = await feed(gateway, ['{"n":1}', '{"n":2}']);
    expect(refused).toEqual([[1, 'told to answer 413']]);
    expect(result).toEqual({ accepted: 1, refused: 1 });
  });

  it('sends at the rate that was asked for, each line when it is due, and tells how far it is', async () => {
    const gateway = await fakeGateway();
    const startedAt = performance.now();
    const { told } = await feed(
      gateway,
      Array.from({ length: 9 }, (_, n) => JSON.stringify({ n })),
      { rate: 40 },
    );
    // The last of nine lines is due after eight fortieths of a second: never earlier, however slow the machine is.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195);
    expect(gateway.requests).toEqual([4, 4, 1]);
    expect(told.map(({ accepted }) => accepted)).toEqual([4, 8, 9]);
  });

  it.each([undefined, 1_000])(
    'waits while there is no room, and goes on when there is some (rate %s)',
    async (rate) => {
      const gateway = await fakeGateway();
      const room = new Room();
      room.close();
      const { signal } = new AbortController();
      let feeding: Promise<unknown> = Promise.resolve();
      const asked = new Promise<string>((resolve) => {
        const wait = () => {
          resolve('asked');
          return room.wait(signal);
        };
        feeding = feed(gateway, ['{"n":1}', '{"n":2}'], { rate, room: wait }).then(({ result }) => result);
      });
      expect(await Promise.race([asked, feeding])).toBe('asked');
      expect(gateway.taken).toEqual([]);
      room.open();
      expect(await feeding).toEqual({ accepted: 2, refused: 0 });
    },
  );

  it('ends while it waits for room', async () => {
    const gateway = await fakeGateway();
    const room = new Room();
    room.close();
    const stop = new AbortController();
    const feeding = feed(gateway, ['{"n":1}'], { signal: stop.signal, room: () => room.wait(stop.signal) });
    stop.abort();
    await expect(feeding).rejects.toThrow('aborted');
    expect(gateway.taken).toEqual([]);
  });

  it('loses no time to events that are refused', async () => {
    const gateway = await fakeGateway();
    const startedAt = performance.now();
    const { result } = await feed(
      gateway,
      Array.from({ length: 40 }, (_, n) => JSON.stringify({ n: n < 39 ? -1 : n })),
      { rate: 1 },
    );
    expect(result).toEqual({ accepted: 1, refused: 39 });
    // At one event a second the last line would be due after 39 seconds.
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  it('says that a file cannot be read', async () => {
    const signal = new AbortController().signal;
    const options = {
      gatewayUrl: 'http://127.0.0.1:1',
      pipeline: 'fraud',
      signal,
      onProgress: () => undefined,
      onRefused: () => undefined,
    };
    await expect(feedFile({ ...options, file: '/nonexistent/events.jsonl' })).rejects.toThrow(/ENOENT/);
  });

  it("ends with the gateway's words when it knows no such pipeline, and when it is told to stop", async () => {
    await expect(feed(await fakeGateway({ answerFirst: [404] }), ['{"n":1}'])).rejects.toThrow('told to answer 404');
    const stopped = new AbortController();
    stopped.abort();
    await expect(feed(await fakeGateway(), ['{"n":1}'], { signal: stopped.signal })).rejects.toThrow(/abort/i);
  });
});
