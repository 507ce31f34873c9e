import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../live/wait.ts';
import { FaultProxy } from './fault-proxy.ts';

/** A server that answers each piece with the same bytes, and remembers what it got. */
let server: Server;
let received = '';
let proxy: FaultProxy;
const sockets: Socket[] = [];

beforeEach(async () => {
  received = '';
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      received += piece.toString();
      socket.write(piece);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await FaultProxy.start((server.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.stop();
  server.close();
});

interface Client {
  socket: Socket;
  text: () => string;
  pieces: string[];
  error: () => string | undefined;
}

async function client(): Promise<Client> {
  const socket = connect(proxy.port, '127.0.0.1');
  sockets.push(socket);
  const pieces: string[] = [];
  let error: string | undefined;
  socket.on('data', (piece) => pieces.push(piece.toString()));
  socket.on('error', (cause: NodeJS.ErrnoException) => (error = cause.code));
  await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
  return { socket, text: () => pieces.join(''), pieces, error: () => error };
}

describe('the fault proxy', () => {
  test('passes bytes in both directions, and an end', async () => {
    const { socket, text } = await client();
    socket.write('hello');
    await until('echo', () => text() === 'hello');
    socket.end();
    await once(socket, 'close');
    expect(proxy.counts).toMatchObject({ connections: 1, resets: 0, cutReplies: 0 });
  });

  test('refuses: open connections are reset, new ones find nobody, and after healing all is well at the same address', async () => {
    const open = await client();
    open.socket.write('a');
    await until('echo', () => open.text() === 'a');
    await proxy.set({ kind: 'refuse' });
    await until('reset', () => open.socket.destroyed);
    expect(open.error()).toBe('ECONNRESET');
    expect((await client()).error()).toBe('ECONNREFUSED');
    await proxy.heal();
    const later = await client();
    later.socket.write('b');
    await until('echo', () => later.text() === 'b');
  });

  test('a black hole holds everything back, and gives it on when it heals', async () => {
    const { socket, text } = await client();
    socket.write('a');
    await until('echo', () => text() === 'a');
    await proxy.set({ kind: 'black_hole' });
    socket.write('b');
    const late = await client();
    late.socket.write('c');
    await until('both are held', () => proxy.counts.delayed >= 2);
    expect([received, text(), late.text()]).toEqual(['a', 'a', '']);
    await proxy.heal();
    await until('all came', () => text() === 'ab' && late.text() === 'c');
  });

  test('accepts and says nothing, also after healing; new connections then work', async () => {
    await proxy.set({ kind: 'silent' });
    const silent = await client();
    silent.socket.write('a');
    await until('accepted', () => proxy.counts.silent === 1);
    await proxy.heal();
    const later = await client();
    later.socket.write('b');
    await until('echo', () => later.text() === 'b');
    expect([silent.text(), silent.socket.destroyed, received]).toEqual(['', false, 'b']);
  });

  test('cuts replies: the server has done it, and the client sees a reset', async () => {
    const { socket, text, error } = await client();
    socket.write('a');
    await until('echo', () => text() === 'a');
    await proxy.set({ kind: 'cut_reply', chance: 1, random: () => 0.5 });
    socket.write('b');
    await until('reset', () => socket.destroyed);
    expect([received, text(), error(), proxy.counts.cutReplies]).toEqual(['ab', 'a', 'ECONNRESET', 1]);
  });

  test('cuts only as many replies as the chance says', async () => {
    const rolls = [0.9, 0.1];
    await proxy.set({ kind: 'cut_reply', chance: 0.5, random: () => rolls.shift()! });
    const { socket, text } = await client();
    socket.write('a');
    await until('echo', () => text() === 'a');
    socket.write('b');
    await until('reset', () => socket.destroyed);
    expect([text(), proxy.counts.cutReplies]).toEqual(['a', 1]);
  });

  test('slices and delays without changing what comes', async () => {
    await proxy.set({ kind: 'slice', bytes: 3, everyMs: 5 });
    const { socket, text, pieces } = await client();
    socket.write('0123456789');
    await until('all slices', () => text() === '0123456789');
    expect(pieces.length).toBeGreaterThan(2);
    await proxy.set({ kind: 'latency', ms: 30 });
    socket.write('abc');
    await until('late echo', () => text() === '0123456789abc');
    expect(proxy.counts.delayed).toBeGreaterThan(2);
  });

  test('resets open connections once', async () => {
    const first = await client();
    first.socket.write('a');
    await until('echo', () => first.text() === 'a');
    proxy.resetAll();
    await until('reset', () => first.socket.destroyed);
    const second = await client();
    second.socket.write('b');
    await until('echo', () => second.text() === 'b');
    expect(proxy.counts.resets).toBe(1);
  });
});
