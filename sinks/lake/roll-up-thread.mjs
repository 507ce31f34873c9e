// Runs one roll-up in a thread of its own. In plain JavaScript, because a thread does not take over its parent's TypeScript loader.
import { parentPort, workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { writeParquet } = await import('./write-parquet.ts');
const { root, plan } = workerData;
parentPort.postMessage(await writeParquet(root, plan));
