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

/** Refusals after which a model that has taken no row at all is given up for now. */
const refusalsMax = 64;

/**
 * Predicts all rows with one model version. When the model refuses the rows for their content, they are split in halves until
 * the guilty ones stand alone. Every refusal may be the model's fault instead: before a row is blamed, and before anything is
 * split, the model must take a row that it took before, in the same moment. Throws `MODEL_WRONG` when it does not, so that a
 * broken model drains nothing into dead letters.
 */
export async function predictRows(model: ModelPort, pipeline: AnyPipeline, features: Float32Array, rows: number): Promise<RowPredictions> {
  const result: RowPredictions = { version: '', predictions: new Float32Array(rows * outputWidthOf(pipeline)), refused: new Map(), degraded: false };
  if (rows > 0) await new Prediction(model, pipeline, features, result).predictAll(rows);
  refuseWhatIsNotFinite(result, pipeline, rows);
  if (rows > 0 && result.refused.size === rows && !(await takesRow(model, pipeline, knownRow(pipeline)))) throw modelWrong(pipeline);
  rememberTakenRow(pipeline, features, result.refused, rows);
  return result;
}

class Prediction {
  #refusals = 0;
  readonly #width: number;

  constructor(
    private readonly model: ModelPort,
    private readonly pipeline: AnyPipeline,
    private readonly features: Float32Array,
    private readonly result: RowPredictions,
  ) {
    this.#width = Object.keys(pipeline.features).length;
  }

  predictAll(rows: number): Promise<void> {
    return this.#predict(0, rows);
  }

  async #predict(from: number, to: number): Promise<void> {
    if (await this.#ask(from, to)) return;
    await this.#assertModelIsWell();
    if (to - from === 1) {
      // Asked again, now that the model has just taken another row: what was of the moment is over.
      if (!(await this.#ask(from, to))) this.result.refused.set(from, { code: 'MODEL_REFUSED_ROW', reason: 'the model server refuses this row, and accepts others' });
      return;
    }
    const middle = (from + to) >> 1;
    await this.#predict(from, middle);
    await this.#predict(middle, to);
  }

  /** Answers false when the content of at least one row is refused. */
  async #ask(from: number, to: number): Promise<boolean> {
    const { model, pipeline, result } = this;
    try {
      const answer = await model.predict(pipeline, this.features.subarray(from * this.#width, to * this.#width), to - from);
      if (result.version && answer.version !== result.version) throw new HeadraceError('MODEL_UNAVAILABLE', `model "${pipeline.model.name}" changed from version ${result.version} to ${answer.version} within a batch`);
      result.version = answer.version;
      result.predictions.set(answer.predictions, from * outputWidthOf(pipeline));
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#refusals++;
      return false;
    }
  }

  async #assertModelIsWell(): Promise<void> {
    if (await takesRow(this.model, this.pipeline, knownRow(this.pipeline))) return;
    const hasTaken = this.result.version !== '';
    // A model may refuse a row of zeros with reason. Nothing better is known until it has taken a first row.
    if (takenRows.has(this.pipeline) || (!hasTaken && this.#refusals > refusalsMax)) throw modelWrong(this.pipeline);
  }
}

/** A finite answer is one that can be stored and decided upon. */
export function refuseWhatIsNotFinite({ predictions, refused }: RowPredictions, pipeline: AnyPipeline, rows: number): void {
  const width = outputWidthOf(pipeline);
  for (let row = 0; row < rows; row++) {
    const numbers = predictions.subarray(row * width, (row + 1) * width);
    if (numbers.every(Number.isFinite)) continue;
    numbers.fill(0);
    if (!refused.has(row)) refused.set(row, { code: 'BAD_PREDICTION', reason: 'the answer for this row is missing or no finite number' });
  }
}

/** Numbers per row, all outputs together. */
export function outputWidthOf({ model }: AnyPipeline): number {
  return Object.values(model.outputs).reduce((sum, width) => sum + width, 0);
}

/** The last row that each pipeline's model took. */
const takenRows = new WeakMap<AnyPipeline, Float32Array>();

function knownRow(pipeline: AnyPipeline): Float32Array {
  return takenRows.get(pipeline) ?? new Float32Array(Object.keys(pipeline.features).length);
}

function rememberTakenRow(pipeline: AnyPipeline, features: Float32Array, refused: ReadonlyMap<number, unknown>, rows: number): void {
  const width = Object.keys(pipeline.features).length;
  for (let row = rows - 1; row >= 0; row--) {
    if (refused.has(row)) continue;
    takenRows.set(pipeline, features.slice(row * width, (row + 1) * width));
    return;
  }
}

async function takesRow(model: ModelPort, pipeline: AnyPipeline, row: Float32Array): Promise<boolean> {
  try {
    return (await model.predict(pipeline, row, 1)).predictions.every(Number.isFinite);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return false;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof HeadraceError && error.code === 'MODEL_REFUSED_ROW';
}

function modelWrong({ model }: AnyPipeline): HeadraceError {
  return new HeadraceError('MODEL_WRONG', `model "${model.name}" refuses rows, and a harmless one too; check the model, its version and the server's log`);
}
