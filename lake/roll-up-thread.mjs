// Carries out one roll-up after another in a thread of its own. In plain JavaScript, because a thread does not take over its parent's
// TypeScript loader.
import { parentPort } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { writeParquet } = await import('./write-parquet.ts');
parentPort.on('message', ({ root, plan }) => {
  writeParquet(root, plan).then(
    (result) => parentPort.postMessage({ result }),
    (error) => parentPort.postMessage({ error }),
  );
});
