import { Command } from 'commander';
import { vi } from 'vitest';

/** Runs one command in this process as the command line does; returns what it printed and the exit code it set. */
export async function runCommand(
  register: (program: Command) => void,
  args: readonly string[],
): Promise<{ stdout: string; stderr: string; exitCode: number; error?: Error }> {
  const program = new Command('headrace').exitOverride();
  register(program);
  const printed = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    }),
  );
  const exitCodeBefore = process.exitCode;
  process.exitCode = 0;
  let error: Error | undefined;
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (thrown) {
    error = thrown as Error;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  const exitCode = Number(process.exitCode);
  process.exitCode = exitCodeBefore;
  return { ...printed, exitCode, error };
}
