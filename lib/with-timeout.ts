/** The outcome of the work, or an error once it took too long, which says so; the work then ends unobserved. */
export function withTimeout<T>(
  timeoutMs: number,
  work: Promise<T>,
  tooLate = `no answer within ${timeoutMs} ms`,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(tooLate)), timeoutMs);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
