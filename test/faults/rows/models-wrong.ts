import { createInferenceClient } from '@headrace/inference-client';
import { deadLetters } from '../../live/collect.ts';
import type { Row, RowContext } from '../row.ts';
import type { FaultSystem } from '../system/fault-system.ts';
import { wrongAnswers, WrongModels } from '../system/wrong-models.ts';
import { retriedStep, seenBy } from './kills.ts';

const eachMs = 2_500;
/** What workers log of a step that failed because of the model itself. */
const modelWrong = 'MODEL_WRONG';

/** All answers are of each wrong kind for a while; or some are, as when one server of several is broken. */
async function answerWrongly(context: RowContext, models: WrongModels, share: number): Promise<void> {
  const random = context.random.fork();
  for (const wrong of context.random.shuffle(wrongAnswers)) {
    models.wrong = () => (random.next() < share ? wrong : undefined);
    context.fault(`${Math.round(share * 100)} % of the answers: ${wrong}`);
    await context.pause(eachMs);
  }
  models.wrong = () => undefined;
  await context.recovered(wrongAnswers.length * eachMs);
}

export const modelsWrong: Row = {
  name: 'models-wrong',
  about:
    'the model answers NaN, wrong shapes, half answers and none, first always and then in a third of its answers: batches wait, no row is blamed',
  async run(context) {
    const { system } = context;
    for (const worker of system.workers) worker.watch(modelWrong);
    const { models, port } = await WrongModels.start(system.servers.models.direct.address);
    try {
      system.servers.models.proxy.retarget(port);
      await answerWrongly(context, models, 1);
      context.mustHappen('answers were wrong', models.count, 20);
      const before = models.count;
      await answerWrongly(context, models, 1 / 3);
      context.mustHappen('answers were wrong between right ones', models.count - before, 20);
    } finally {
      system.servers.models.proxy.retarget(Number(system.servers.models.direct.address.split(':')[1]));
      models.stop();
    }
    context.mustHappen('a worker said that the model is wrong', seenBy(system.workers, modelWrong), 10);
  },
  verify: ({ system }) => blamedRows(system),
};

async function blamedRows(system: FaultSystem): Promise<string[]> {
  return [...(await deadLetters(system))].map(
    ([key, codes]) => `${key}: a dead letter for a good record (${codes.join(', ')})`,
  );
}

export const modelsReload: Row = {
  name: 'models-reload',
  about:
    'the model is unloaded and loaded again, or loaded anew while it answers, 24 times: batches wait, no row is blamed',
  async run(context) {
    const { system, random } = context;
    for (const worker of system.workers) worker.watch(retriedStep);
    const client = createInferenceClient({ address: system.servers.models.direct.address });
    try {
      for (let round = 0; round < context.rounds(24); round++) {
        const away = random.next() < 0.5;
        if (away) await client.unloadModel('linear');
        context.fault(`the model is ${away ? 'unloaded for a while' : 'loaded anew'}`);
        await context.pause(100, 1_200);
        await client.loadModel('linear');
        await context.pause(100, 800);
      }
    } finally {
      await client.loadModel('linear');
      await client.close();
    }
    await context.recovered();
    context.mustHappen('inference was retried', seenBy(system.workers, retriedStep), 3);
  },
  verify: ({ system }) => blamedRows(system),
};
