import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until the condition gives something truthy, and returns that. Fails with what was last seen after the time-out. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  {
    timeoutMs = 60_000,
    everyMs = 100,
    detail = () => '',
  }: { timeoutMs?: number; everyMs?: number; detail?: () => string } = {},
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadlineMs) throw new Error(`${what}: not within ${timeoutMs} ms ${detail()}`);
    await sleep(everyMs);
  }
}
