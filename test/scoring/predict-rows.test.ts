import { describe, expect, test } from 'vitest';
import { predictRows } from '../../scoring/predict-rows.ts';
import type { ModelPort } from '../../scoring/ports.ts';
import { HeadraceError } from '../../contracts/failures.ts';
import { paymentsPipeline } from '../live/payments.ts';

const poison = 666;

/** y = the first feature; refuses any call that holds `poison`, as a server does that validates content. */
function fakeModel({
  refuse = (x) => x === poison,
  version = () => '1',
}: {
  refuse?: (x: number) => boolean;
  version?: () => string;
} = {}): ModelPort & { calls: number[] } {
  const calls: number[] = [];
  return {
    calls,
    rowsMax: () => Promise.resolve(Infinity),
    predict(_, features, rows) {
      calls.push(rows);
      const firsts = Array.from({ length: rows }, (_row, row) => features[row * 3]!);
      if (firsts.some(refuse)) return Promise.reject(new HeadraceError('MODEL_REFUSED_ROW', 'no'));
      return Promise.resolve({ version: version(), predictions: Float32Array.from(firsts) });
    },
  };
}

const pipeline = () => paymentsPipeline({ name: 'p', topic: 't' });
const rowsOf = (firsts: number[]) => Float32Array.from(firsts.flatMap((x) => [x, 0, 0]));

/** A model whose right answers, counted from 0, are changed on their way. */
function answering(change: (predictions: Float32Array, call: number) => Float32Array): ModelPort {
  let calls = 0;
  const well = fakeModel();
  return {
    rowsMax: well.rowsMax,
    predict: async (...asked) => {
      const answer = await well.predict(...asked);
      return { ...answer, predictions: change(answer.predictions, calls++) };
    },
  };
}

describe('predictRows', () => {
  test('asks once for rows that the model takes', async () => {
    const model = fakeModel();
    expect(await predictRows(model, pipeline(), rowsOf([1, 2, 3]), 3)).toEqual({
      version: '1',
      predictions: Float32Array.of(1, 2, 3),
      refused: new Map(),
      degraded: false,
    });
    expect(model.calls).toEqual([3]);
  });

  test('finds the rows that are to blame, and keeps the answers of their neighbours', async () => {
    const firsts = Array.from({ length: 64 }, (_, i) => (i === 5 || i === 40 ? poison : i));
    const { predictions, refused } = await predictRows(fakeModel(), pipeline(), rowsOf(firsts), 64);
    expect([...refused.keys()]).toEqual([5, 40]);
    expect([...predictions]).toEqual(firsts.map((x) => (x === poison ? 0 : x)));
  });

  test('splits no deeper than the logarithm of the rows', async () => {
    const model = fakeModel();
    await predictRows(
      model,
      pipeline(),
      rowsOf(Array.from({ length: 1_024 }, (_, i) => (i === 700 ? poison : 1))),
      1_024,
    );
    // Each level: one refused half, one taken half, and one look whether the model is well.
    expect(model.calls.length).toBeLessThanOrEqual(3 * 10 + 3);
  });

  test('refuses a row with an answer that is not finite', async () => {
    const { predictions, refused } = await predictRows(fakeModel(), pipeline(), rowsOf([1, NaN, 3]), 3);
    expect([...refused]).toMatchObject([[1, { code: 'BAD_PREDICTION' }]]);
    expect([...predictions]).toEqual([1, 0, 3]);
  });

  test('a model that refuses everything drains nothing', async () => {
    await expect(predictRows(fakeModel({ refuse: () => true }), pipeline(), rowsOf([1, 2]), 2)).rejects.toMatchObject({
      code: 'MODEL_WRONG',
    });
    await expect(predictRows(fakeModel(), pipeline(), rowsOf([NaN, NaN]), 2)).resolves.toMatchObject({
      refused: { size: 2 },
    });
  });

  test('a batch of one row drains nothing either, on a worker that knows of no row and on one that does', async () => {
    const fresh = pipeline();
    const wrong = { code: 'MODEL_WRONG' };
    await expect(predictRows(fakeModel({ refuse: () => true }), fresh, rowsOf([1]), 1)).rejects.toMatchObject(wrong);
    await expect(
      predictRows(
        answering((predictions) => predictions.fill(NaN)),
        fresh,
        rowsOf([1]),
        1,
      ),
    ).rejects.toMatchObject(wrong);
    await predictRows(fakeModel(), fresh, rowsOf([1]), 1);
    await expect(predictRows(fakeModel({ refuse: () => true }), fresh, rowsOf([2]), 1)).rejects.toMatchObject(wrong);
    await expect(
      predictRows(
        answering((predictions) => predictions.fill(NaN)),
        fresh,
        rowsOf([2]),
        1,
      ),
    ).rejects.toMatchObject(wrong);
  });

  test('a lone poison row is to blame when the model takes a row that it took before', async () => {
    const shared = pipeline();
    await predictRows(fakeModel(), shared, rowsOf([1]), 1);
    const { refused } = await predictRows(fakeModel(), shared, rowsOf([poison]), 1);
    expect([...refused.keys()]).toEqual([0]);
  });

  test('a server that fails for a moment costs no row: either it was over at once, or the batch is tried again', async () => {
    const shared = pipeline();
    await predictRows(fakeModel(), shared, rowsOf([1]), 1);
    for (const length of [1, 2, 3, 5, 20]) {
      let failures = length;
      const model = fakeModel({ refuse: () => failures-- > 0 });
      const outcome = await predictRows(model, shared, rowsOf([7, 8, 9, 10]), 4).then(
        ({ refused }) => refused.size,
        (error: HeadraceError) => error.code,
      );
      expect([0, 'MODEL_WRONG']).toContain(outcome);
    }
  });

  test('one broken server among several, which answers no finite numbers, costs no row', async () => {
    const shared = pipeline();
    await predictRows(fakeModel(), shared, rowsOf([1]), 1);
    const firsts = Array.from({ length: 200 }, (_, i) => i + 1);
    for (const broken of [[0], [1], [0, 1], [0, 2], [0, 1, 2, 3, 4, 5]]) {
      const model = answering((predictions, call) => (broken.includes(call) ? predictions.fill(NaN) : predictions));
      const outcome = await predictRows(model, shared, rowsOf(firsts), 200).then(
        ({ refused, predictions }) => (predictions.every((y, i) => y === firsts[i]) ? refused.size : 'other numbers'),
        (error: HeadraceError) => error.code,
      );
      expect([broken, outcome]).toEqual([broken, broken.includes(0) && broken.length > 1 ? 'MODEL_WRONG' : 0]);
    }
  });

  /** A model that takes so many rows at once, on servers that take turns with the parts of a call; broken ones answer no finite numbers. */
  function modelOnServers(rowsMax: number, servers: number, isBroken: (part: number) => boolean): ModelPort {
    const well = fakeModel();
    let part = 0;
    return {
      rowsMax: () => Promise.resolve(rowsMax),
      async predict(asked, features, rows) {
        const answers: number[] = [];
        for (let from = 0; from < rows; from += rowsMax) {
          const count = Math.min(rowsMax, rows - from);
          const { predictions } = await well.predict(asked, features.subarray(from * 3, (from + count) * 3), count);
          answers.push(...(isBroken(part++ % servers) ? predictions.fill(NaN) : predictions));
        }
        return { version: '1', predictions: Float32Array.from(answers) };
      },
    };
  }

  test.each([1, 2, 3, 4, 8, 63])(
    'one broken server among several costs no row of a model that takes %i at once',
    async (rowsMax) => {
      const firsts = Array.from({ length: 200 }, (_, i) => i + 1);
      for (const servers of [2, 3, 5]) {
        for (let broken = 0; broken < servers; broken++) {
          const shared = pipeline();
          await predictRows(fakeModel(), shared, rowsOf([1]), 1);
          const outcome = await predictRows(
            modelOnServers(rowsMax, servers, (server) => server === broken),
            shared,
            rowsOf(firsts),
            200,
          ).then(
            ({ refused, predictions }) =>
              predictions.every((y, i) => y === firsts[i]) ? refused.size : 'other numbers',
            (error: HeadraceError) => error.code,
          );
          expect([0, 'MODEL_WRONG'], `${broken} of ${servers}`).toContain(outcome);
        }
      }
    },
  );

  test.each([1, 2, 3, 64])(
    'a row whose answer is not finite is to blame also with a model that takes %i at once',
    async (rowsMax) => {
      const firsts = Array.from({ length: 100 }, (_, i) => (i % 9 === 4 ? NaN : i));
      const { predictions, refused } = await predictRows(
        modelOnServers(rowsMax, 1, () => false),
        pipeline(),
        rowsOf(firsts),
        100,
      );
      expect([...refused.keys()]).toEqual(firsts.flatMap((x, i) => (Number.isNaN(x) ? [i] : [])));
      expect([...predictions]).toEqual(firsts.map((x) => (Number.isNaN(x) ? 0 : x)));
    },
  );

  test('a server that answers half of a batch wrongly drains nothing, also in the first batch of a worker', async () => {
    const model = answering((predictions, call) =>
      call === 0 ? predictions.map((y, i) => (i < 2 ? y : NaN)) : predictions,
    );
    expect(await predictRows(model, pipeline(), rowsOf([1, 2, 3, 4]), 4)).toMatchObject({
      predictions: Float32Array.of(1, 2, 3, 4),
      refused: new Map(),
    });
  });

  test('a model that refuses everything is found out in a few calls', async () => {
    const model = fakeModel({ refuse: () => true });
    await expect(
      predictRows(model, pipeline(), rowsOf(Array.from({ length: 2_048 }, () => 1)), 2_048),
    ).rejects.toMatchObject({ code: 'MODEL_WRONG' });
    expect(model.calls.length).toBeLessThan(200);
  });

  test('never mixes two versions in one batch', async () => {
    let calls = 0;
    const model = fakeModel({ version: () => String(calls++) });
    await expect(predictRows(model, pipeline(), rowsOf([1, poison, 3, 4]), 4)).rejects.toMatchObject({
      code: 'MODEL_UNAVAILABLE',
    });
  });

  test('passes on what is not about content', async () => {
    const model: ModelPort = {
      rowsMax: () => Promise.resolve(Infinity),
      predict: () => Promise.reject(new HeadraceError('MODEL_UNAVAILABLE', 'away')),
    };
    await expect(predictRows(model, pipeline(), rowsOf([1]), 1)).rejects.toMatchObject({ code: 'MODEL_UNAVAILABLE' });
  });
});
