import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { searchAttributes } from '../../contracts/names.ts';
import { ensureSearchAttributes } from '../../temporal/search-attributes.ts';
import { createNamespace, startLiveServers, uniqueName } from '../stack/live.ts';

describe('ensureSearchAttributes', () => {
  let connection: Connection;
  let address: string;
  beforeAll(async () => {
    ({
      temporal: { address },
    } = await startLiveServers({ temporal: true }));
    connection = await Connection.connect({ address });
  }, 300_000);
  afterAll(() => connection?.close());

  /** A client of a server whose operator service lets nobody in, as Temporal Cloud's does. */
  function withoutOperator(namespace: string): Client {
    const client = new Client({ connection, namespace });
    const closed = new Proxy(client.connection, {
      get: (target, name) =>
        name === 'operatorService'
          ? { listSearchAttributes: () => Promise.reject(new Error('PERMISSION_DENIED')) }
          : Reflect.get(target, name, target),
    });
    return Object.defineProperty(client, 'connection', { value: closed });
  }

  it('makes a namespace take starts with all of them, and adds what a later version brings', async () => {
    const namespace = await createNamespace(address);
    const client = new Client({ connection, namespace });
    const types = (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes;
    expect(Object.keys(types)).toEqual(expect.arrayContaining(Object.values(searchAttributes).map(({ name }) => name)));
    await connection.operatorService.removeSearchAttributes({
      namespace,
      searchAttributes: [searchAttributes.outcomes.name, searchAttributes.eventTimeMin.name],
    });
    await expect
      .poll(
        () =>
          connection.workflowService
            .countWorkflowExecutions({ namespace, query: `${searchAttributes.outcomes.name} is null` })
            .then(
              () => 'taken',
              () => 'refused',
            ),
        { timeout: 10_000 },
      )
      .toBe('refused');
    await ensureSearchAttributes(client);
    const handle = await client.workflow.start('nobodyRunsThis', {
      taskQueue: uniqueName('queue'),
      workflowId: uniqueName('run'),
      searchAttributes: {
        [searchAttributes.outcomes.name]: ['approve', 'block'],
        [searchAttributes.eventTimeMin.name]: [new Date(0)],
      },
    });
    await handle.terminate();
  });

  it('needs no right to register where all are there', async () => {
    await expect(ensureSearchAttributes(withoutOperator(await createNamespace(address)))).resolves.toBeUndefined();
  });

  it('names the namespace, the setting and the attributes when it cannot', async () => {
    await expect(ensureSearchAttributes(new Client({ connection, namespace: uniqueName('missing') }))).rejects.toThrow(
      /^namespace "missing-\w+" is missing or lacks search attributes \(.*\); check TEMPORAL_NAMESPACE, or register them yourself: HeadracePipeline \(KEYWORD\), .*HeadraceReviewStatus \(KEYWORD\)$/,
    );
  });
});
