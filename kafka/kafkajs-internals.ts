/**
 * The one door to the inside of kafkajs, which has had no release since 2023. Whoever comes through it finds the version that its code was
 * written for, or an error at start. `docs/decisions/0077-library-internals.md` lists who that is, and why.
 */
import { createRequire } from 'node:module';
import type { Batch } from 'kafkajs';

const testedVersion = '2.2.4';
const require = createRequire(import.meta.url);

/** Throws for any kafkajs but the tested one. */
export function assertTested({ version }: { version: string }): void {
  if (version !== testedVersion)
    throw new Error(
      `kafkajs is ${version}, and Headrace reaches into ${testedVersion}: look at what docs/decisions/0077-library-internals.md lists`,
    );
}
assertTested(require('kafkajs/package.json') as { version: string });

/** A module of kafkajs that it does not export, by its path in `kafkajs/src`. */
export function kafkajsModule<T>(path: string): T {
  return require(`kafkajs/src/${path}`) as T;
}

/** From which offset the broker was asked for this batch. */
export function fetchedOffsetOf(batch: Batch): number {
  return Number((batch as unknown as { fetchedOffset: string }).fetchedOffset);
}
