import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** A temporary folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** The same, with all in its name that settings, URLs, command lines and lists of folders take for something else. */
export function awkwardFolder(): string {
  const folder = join(temporaryFolder(), ' it\'s, "my": данные; 100%20 #1 $HOME \\ ü=é');
  mkdirSync(folder);
  return folder;
}

/** Waits for a condition, at most `timeoutMs`; a test never sleeps for a fixed time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await condition()); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
  }
}

/** Stops a server when the test ends, however it ends. */
export function stopAfterTest<S extends { stop: () => Promise<unknown> }>(server: S): S {
  onTestFinished(async () => {
    await server.stop();
  }, 30_000);
  return server;
}
