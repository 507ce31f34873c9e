import { InvalidArgumentError } from 'commander';

/** For `command.option(...)`: which system a command is about. */
export const dataDirOption = [
  '--data-dir <dir>',
  'data folder of the running system (default: HEADRACE_DATA_DIR or .headrace/data), unless the environment names the servers of another',
] as const;

/** Parses a whole number from 0 on, such as an offset or a partition. */
export function wholeNumber(text: string, expected = 'a whole number from 0 on'): number {
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError(`it must be ${expected}.`);
  return value;
}

/** Parses partitions, comma-separated, of an option that may be given several times. */
export function partitionNumbers(text: string, before: readonly number[] = []): number[] {
  return [...before, ...text.split(',').map((each) => wholeNumber(each))];
}
