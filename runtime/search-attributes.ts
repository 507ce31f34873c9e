import type { Client } from '@temporalio/client';
import { searchAttributes } from '../contracts/names.ts';
import { messageOf } from '../contracts/failures.ts';

/** Temporal's numbers for the types of search attributes. */
const typeNumbers = { TEXT: 1, KEYWORD: 2, INT: 3, DOUBLE: 4, BOOL: 5, DATETIME: 6, KEYWORD_LIST: 7 } as const;
const deadlineMs = 10_000;

/** Registers our search attributes in the namespace where they are missing; a start that carries an unknown one would fail. */
export async function ensureSearchAttributes(client: Client): Promise<void> {
  const { namespace } = client.options;
  const { operatorService } = client.connection;
  try {
    await client.withDeadline(Date.now() + deadlineMs, async () => {
      const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
      const missing = Object.values(searchAttributes).filter(({ name }) => !(name in customAttributes));
      if (missing.length === 0) return;
      await operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing.map(({ name, type }) => [name, typeNumbers[type]])),
      });
    });
  } catch (error) {
    if (messageOf(error).includes('ALREADY_EXISTS')) return;
    const names = Object.values(searchAttributes).map(({ name, type }) => `${name} (${type})`).join(', ');
    throw new Error(`search attributes cannot be registered in namespace "${namespace}" (${messageOf(error)}); register them yourself: ${names}`, { cause: error });
  }
}
