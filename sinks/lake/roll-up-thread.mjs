// Carries out one roll-up after another in a thread of its own. In plain JavaScript, because a thread does not take over its parent's
// TypeScript loader. What fails ends the thread, and its parent is told.
import { parentPort } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { writeParquet } = await import('./write-parquet.ts');
parentPort.on('message', async ({ root, plan }) => parentPort.postMessage(await writeParquet(root, plan)));
