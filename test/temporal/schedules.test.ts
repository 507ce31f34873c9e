import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureSchedule, refuseOtherGeneration } from '../../temporal/schedules.ts';
import { createNamespace, startLiveServers } from '../stack/live.ts';

const place = { deployment: 'shop', taskQueue: 'headrace-shop' };
const sweep = { workflowType: 'sweep', everySeconds: 86_400, ...place } as const;

describe('a namespace in which another version has worked', () => {
  let connection: Connection;
  let client: Client;
  beforeAll(async () => {
    const {
      temporal: { address },
    } = await startLiveServers({ temporal: true });
    connection = await Connection.connect({ address });
    client = new Client({ connection, namespace: await createNamespace(address) });
  }, 300_000);
  afterAll(() => connection?.close());

  it('is refused for its deployment in one sentence, until its schedules are gone', async () => {
    await refuseOtherGeneration(client, place);
    await client.schedule.create({
      scheduleId: 'sweep:shop:headrace-shop',
      spec: { intervals: [{ every: 86_400_000 }] },
      action: { type: 'startWorkflow', workflowType: 'sweep', taskQueue: place.taskQueue, args: [] },
    });
    await expect(refuseOtherGeneration(client, place)).rejects.toThrow(
      `namespace "${client.options.namespace}" of Temporal holds runs of another version of Headrace (0.1) for deployment "shop": finish them with that version and then delete its schedules sweep:shop:headrace-shop, or use another namespace (TEMPORAL_NAMESPACE); a data folder of npm start begins from scratch with --reset`,
    );
    await refuseOtherGeneration(client, { deployment: 'other', taskQueue: 'headrace-other' });
    await client.schedule.getHandle('sweep:shop:headrace-shop').delete();
    await refuseOtherGeneration(client, place);
  });

  it('is told from one of this version, also when an interval was changed', async () => {
    await ensureSchedule(client, sweep);
    await ensureSchedule(client, { ...sweep, everySeconds: 3_600 });
    await refuseOtherGeneration(client, place);
  });
});
