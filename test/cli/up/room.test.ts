import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Room } from '../../../cli/up/room.ts';

test('whoever produces waits while there is no room, or until the end, and leaves nothing behind in the signal', async () => {
  const room = new Room();
  const ended = new AbortController();
  const { signal } = ended;
  await room.wait(signal);
  room.close();
  const went: string[] = [];
  const waits = ['a', 'b'].map((name) => room.wait(signal).then(() => went.push(name)));
  await Promise.resolve();
  expect(went).toEqual([]);
  room.open();
  await Promise.all(waits);
  expect(went).toEqual(['a', 'b']);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  room.close();
  const last = room.wait(signal);
  ended.abort();
  await last;
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
