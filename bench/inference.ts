import { createInferenceClient, outputOf } from '@headrace/inference-client';
import pipeline from '../pipelines/fraud/index.ts';
import type { Bench } from './context.ts';
import { measureRows } from './rows.ts';
import { startServers } from './servers.ts';

const sizes = [512, 2_048];
const rowsMeasured = 400_000;
const width = Object.keys(pipeline.features).length;

/** One call after another to the embedded model server, the fraud model, over gRPC. */
export const inference: Bench = {
  name: 'inference',
  what: `the fraud model over gRPC, one call at a time, ${sizes.join(' and ')} rows a call; CPU is the client's`,
  async run(context) {
    const servers = await startServers(context, ['model-server']);
    const client = createInferenceClient({ address: servers['model-server'].address, deadlineMs: 10_000 });
    try {
      const figures = [];
      for (const rows of sizes) {
        const data = Float32Array.from({ length: rows * width }, (_, i) => (i * 7919) % 100);
        const rounds = Math.ceil(rowsMeasured / rows);
        figures.push(
          ...(await measureRows(
            { name: `${rows} rows a call`, rowsPerRound: rows, rounds, warmUpRounds: 50 },
            async () => {
              const input = { name: pipeline.model.input, datatype: 'FP32' as const, shape: [rows, width], data };
              outputOf(await client.infer({ model: pipeline.model.name, inputs: [input] }), 'score', 'FP32');
            },
          )),
        );
      }
      return figures;
    } finally {
      await client.close();
      await servers.stop();
    }
  },
};
