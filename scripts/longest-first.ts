import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take minutes, the longest first. Without it a fresh checkout, of which vitest has no times, runs its files by their sizes: a short
 * file that takes minutes comes last, and the other worker waits for it.
 */
export const longest: readonly string[] = ['test/faults/selection.test.ts', 'test/live/'];

/** The order of test files: those that are known to take long come before all others. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const root = this.ctx.config.root;
    return (await super.sort(files)).toSorted(
      (a, b) => placeOf(relative(root, a.moduleId)) - placeOf(relative(root, b.moduleId)),
    );
  }
}

/** 0 for a file that comes first. */
export function placeOf(file: string): number {
  const place = longest.findIndex((begin) => file.startsWith(begin));
  return place < 0 ? longest.length : place;
}
