import { setTimeout as sleep } from 'node:timers/promises';

const everyMs = 250;

/** Asks until the answer is something, and returns that. Throws when that takes too long. */
export async function poll<T>(what: string, timeoutMs: number, ask: () => Promise<T | undefined | false>): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadlineMs) throw new Error(`${what}: not within ${timeoutMs / 1_000} s`);
    await sleep(everyMs);
  }
}
