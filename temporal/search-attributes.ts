import type { Client } from '@temporalio/client';
import { messageOf } from '../contracts/failures.ts';
import { searchAttributes } from '../contracts/names.ts';
import { sleep } from '../lib/sleep.ts';

/** Temporal's numbers for the types of search attributes. */
const typeNumbers = { TEXT: 1, KEYWORD: 2, INT: 3, DOUBLE: 4, BOOL: 5, DATETIME: 6, KEYWORD_LIST: 7 } as const;
/** For one call, and for the server's caches to learn of new attributes. */
const deadlineMs = 20_000;
const retryMs = 100;
/** gRPC's code of an answer to a query that names an attribute which the namespace does not know. */
const invalidArgument = 3;

const wanted = Object.values(searchAttributes);

/**
 * Registers our search attributes in the client's namespace where they are missing, and resolves when the namespace takes them: a
 * start that carries an unknown one would fail. Temporal Cloud lets no client register any, so what is there is accepted first.
 * Throws one sentence that lists them.
 */
export async function ensureSearchAttributes(client: Client): Promise<void> {
  const endMs = Date.now() + deadlineMs;
  try {
    await client.withDeadline(endMs, async () => {
      if (await areTaken(client)) return;
      await register(client);
      while (!(await areTaken(client))) await sleep(retryMs);
    });
  } catch (error) {
    const { namespace } = client.options;
    const names = wanted.map(({ name, type }) => `${name} (${type})`).join(', ');
    throw new Error(
      `namespace "${namespace}" is missing or lacks search attributes (${messageOf(error)}); check TEMPORAL_NAMESPACE, or register them yourself: ${names}`,
      { cause: error },
    );
  }
}

/** The query goes through the caches that workflow starts use; describing a namespace, or listing its attributes, does not. */
async function areTaken(client: Client): Promise<boolean> {
  const query = wanted.map(({ name }) => `\`${name}\` is null`).join(' and ');
  try {
    await client.workflowService.countWorkflowExecutions({ namespace: client.options.namespace, query });
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === invalidArgument) return false;
    throw error;
  }
}

async function register(client: Client): Promise<void> {
  const { namespace } = client.options;
  const { operatorService } = client.connection;
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = wanted.filter(({ name }) => !(name in customAttributes));
  if (missing.length === 0) return;
  try {
    await operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(({ name, type }) => [name, typeNumbers[type]])),
    });
  } catch (error) {
    // Bridge and worker start at the same time.
    if (!messageOf(error).includes('ALREADY_EXISTS')) throw error;
  }
}
