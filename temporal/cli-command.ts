import type { Client } from '@temporalio/client';

/** A command of Temporal's CLI, to be copied as it stands: by itself the CLI takes the namespace "default", and finds nothing there. */
export function cliCommand({ options: { namespace } }: Pick<Client, 'options'>, command: string): string {
  return `temporal ${command} --namespace ${namespace}`;
}
