import { HeadraceError, type FailureCode } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { ModelPort } from './ports.ts';

export interface RowPredictions {
  version: string;
  /** Row-major; the columns of a refused row are 0. */
  predictions: Float32Array;
  /** Rows that the model refuses for good, by row. */
  refused: Map<number, { code: FailureCode; reason: string }>;
  degraded: boolean;
}

/** A server error may be of the moment: a row that stands alone is asked for this often before it is to blame. */
const loneRowTries = 3;

/**
 * Predicts all rows with one model version. When the model refuses the rows for their content, they are split in halves until
 * the guilty ones stand alone. When every row is refused, the model may be what is broken: a row that it took before tells.
 * Throws `MODEL_WRONG` then, so that a broken model drains nothing into dead letters.
 */
export async function predictRows(model: ModelPort, pipeline: AnyPipeline, features: Float32Array, rows: number): Promise<RowPredictions> {
  const inputWidth = Object.keys(pipeline.features).length;
  const outputWidth = Object.values(pipeline.model.outputs).reduce((sum, width) => sum + width, 0);
  const result: RowPredictions = { version: '', predictions: new Float32Array(rows * outputWidth), refused: new Map(), degraded: false };
  if (rows === 0) return result;

  const predictRange = async (from: number, to: number, triesLeft = loneRowTries): Promise<void> => {
    try {
      const answer = await model.predict(pipeline, features.subarray(from * inputWidth, to * inputWidth), to - from);
      if (result.version && answer.version !== result.version) throw new HeadraceError('MODEL_UNAVAILABLE', `model "${pipeline.model.name}" changed from version ${result.version} to ${answer.version} within a batch`);
      result.version = answer.version;
      result.predictions.set(answer.predictions, from * outputWidth);
    } catch (error) {
      if (!(error instanceof HeadraceError) || error.code !== 'MODEL_REFUSED_ROW') throw error;
      if (to - from === 1 && triesLeft > 1) return predictRange(from, to, triesLeft - 1);
      if (to - from === 1) {
        result.refused.set(from, { code: 'MODEL_REFUSED_ROW', reason: 'the model server refuses this row, and accepts others' });
        return;
      }
      const middle = (from + to) >> 1;
      await predictRange(from, middle);
      await predictRange(middle, to);
    }
  };
  await predictRange(0, rows);
  refuseWhatIsNotFinite(result, rows, outputWidth);

  if (result.refused.size === rows) await assertModelTakesKnownRow(model, pipeline);
  else rememberTakenRow(pipeline, features, result.refused, rows, inputWidth);
  return result;
}

function refuseWhatIsNotFinite({ predictions, refused }: RowPredictions, rows: number, width: number): void {
  for (let row = 0; row < rows; row++) {
    const numbers = predictions.subarray(row * width, (row + 1) * width);
    if (numbers.every(Number.isFinite)) continue;
    numbers.fill(0);
    refused.set(row, { code: 'BAD_PREDICTION', reason: 'the model answered this row with a number that is not finite' });
  }
}

/** The last row that each pipeline's model took. */
const takenRows = new WeakMap<AnyPipeline, Float32Array>();

function rememberTakenRow(pipeline: AnyPipeline, features: Float32Array, refused: ReadonlyMap<number, unknown>, rows: number, width: number): void {
  for (let row = rows - 1; row >= 0; row--) {
    if (refused.has(row)) continue;
    takenRows.set(pipeline, features.slice(row * width, (row + 1) * width));
    return;
  }
}

async function assertModelTakesKnownRow(model: ModelPort, pipeline: AnyPipeline): Promise<void> {
  const known = takenRows.get(pipeline) ?? new Float32Array(Object.keys(pipeline.features).length);
  try {
    const { predictions } = await model.predict(pipeline, known, 1);
    if (predictions.every(Number.isFinite)) return;
  } catch (error) {
    if (!(error instanceof HeadraceError) || error.code !== 'MODEL_REFUSED_ROW') throw error;
  }
  throw new HeadraceError('MODEL_WRONG', `model "${pipeline.model.name}" refuses every row of a batch, and a harmless one too; check the model and its version`);
}
