// Adds up what a test run reports.

/**
 * Totals of a vitest JSON report. A file that could not be run at all counts as one failure, and so does an error outside
 * any test, which vitest only shows in its exit code.
 */
export function totalsOf(report, exitCode) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const { status, assertionResults } of report?.testResults ?? []) {
    const failures = assertionResults.filter((test) => test.status === 'failed').length;
    passed += assertionResults.filter((test) => test.status === 'passed').length;
    skipped += assertionResults.filter((test) =>
      ['skipped', 'pending', 'todo', 'disabled'].includes(test.status),
    ).length;
    failed += failures === 0 && status === 'failed' ? 1 : failures;
  }
  if (failed === 0 && exitCode !== 0) failed = 1;
  return { passed, failed, skipped };
}

/** The last line of a test run. */
export function describeTotals({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
