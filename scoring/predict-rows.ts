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
/** Few, and fewer for a model that takes fewer: the call must not be cut in parts, of which another server may answer each. */
const suspectsPerCallMax = 62;
/** How often a row that stands alone in its call must be answered wrongly between right answers. */
const roundsAlone = 3;

/**
 * Predicts all rows with one model version. When the model refuses the rows for their content, they are split in halves until
 * the guilty ones stand alone. Every refusal may be the model's fault instead: before a row is blamed, and before anything is
 * split, the model must take a row that it took before, in the same moment. Throws `MODEL_WRONG` when it does not, so that a
 * broken model drains nothing into dead letters.
 */
export async function predictRows(
  model: ModelPort,
  pipeline: AnyPipeline,
  features: Float32Array,
  rows: number,
): Promise<RowPredictions> {
  const result: RowPredictions = {
    version: '',
    predictions: new Float32Array(rows * outputWidthOf(pipeline)),
    refused: new Map(),
    degraded: false,
  };
  if (rows > 0) await new Prediction(model, pipeline, features, result).predictAll(rows);
  // What is left of it now is the rows' own doing.
  refuseWhatIsNotFinite(result, pipeline, rows);
  if (rows > 0 && result.refused.size === rows && !(await takesRow(model, pipeline, knownRow(pipeline))))
    throw modelWrong(pipeline);
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

  async predictAll(rows: number): Promise<void> {
    await this.#predict(0, rows);
    const suspects = this.#rowsThatAre('not finite', rows);
    if (suspects.length === 0) return;
    const known = this.#knownRow(rows);
    const suspectsPerCall = Math.min(
      suspectsPerCallMax,
      (await this.#orModelWrong(this.model.rowsMax(this.pipeline))) - 2,
    );
    if (suspectsPerCall < 1) for (const row of suspects) await this.#askAlone(row, known);
    else
      for (let from = 0; from < suspects.length; from += suspectsPerCall)
        await this.#askBetween(suspects.slice(from, from + suspectsPerCall), known);
  }

  /**
   * An answer that is not finite may be of the moment, too: one broken server among several answers so. The rows are asked for again
   * between two that the model took before, in one call, so that the answer tells whether it is the rows or the model.
   */
  async #askBetween(suspects: readonly number[], known: Float32Array): Promise<void> {
    const answers = await this.#answersTo([known, ...suspects.map((row) => this.#featuresOf(row)), known]);
    if (![answers.at(0)!, answers.at(-1)!].every((answer) => isFiniteAnswer(answer))) throw modelWrong(this.pipeline);
    suspects.forEach((row, i) => this.#keep(row, answers[i + 1]!));
  }

  /**
   * For a model that does not take three rows at once. Another server may answer each call, so one answer proves little: the row is asked for
   * again and again between calls for the known one, each time once more, so that no order in which servers take turns falls in with it.
   */
  async #askAlone(suspect: number, known: Float32Array): Promise<void> {
    const ask = async (row: Float32Array) => (await this.#answersTo([row]))[0]!;
    const assertKnown = async () => {
      if (!isFiniteAnswer(await ask(known))) throw modelWrong(this.pipeline);
    };
    await assertKnown();
    for (let round = 1; round <= roundsAlone; round++) {
      for (let time = 0; time < round; time++) {
        const answer = await ask(this.#featuresOf(suspect));
        if (isFiniteAnswer(answer)) return this.#keep(suspect, answer);
      }
      await assertKnown();
    }
  }

  /** One answer for each row, all in one call. */
  async #answersTo(call: readonly Float32Array[]): Promise<Float32Array[]> {
    const { model, pipeline } = this;
    const features = new Float32Array(call.length * this.#width);
    call.forEach((row, i) => features.set(row, i * this.#width));
    // It took each of these before.
    const answer = await this.#orModelWrong(model.predict(pipeline, features, call.length));
    this.#assertSameVersion(answer.version);
    const width = outputWidthOf(pipeline);
    return call.map((_, i) => answer.predictions.subarray(i * width, (i + 1) * width));
  }

  /** For answers that no row can be to blame for. */
  #orModelWrong<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      throw isRefusal(error) ? modelWrong(this.pipeline) : error;
    });
  }

  #keep(row: number, answer: Float32Array): void {
    this.result.predictions.set(answer, row * outputWidthOf(this.pipeline));
  }

  #rowsThatAre(what: 'finite' | 'not finite', rows: number): number[] {
    const { predictions, refused } = this.result;
    const width = outputWidthOf(this.pipeline);
    const found: number[] = [];
    for (let row = 0; row < rows; row++) {
      if (!refused.has(row) && isFiniteAnswer(predictions, row * width, width) === (what === 'finite')) found.push(row);
    }
    return found;
  }

  /** A row that the model took before, best of all in another call than this one. */
  #knownRow(rows: number): Float32Array {
    const answered = this.#rowsThatAre('finite', rows)[0];
    return takenRows.has(this.pipeline) || answered === undefined
      ? knownRow(this.pipeline)
      : this.#featuresOf(answered);
  }

  #featuresOf(row: number): Float32Array {
    return this.features.subarray(row * this.#width, (row + 1) * this.#width);
  }

  async #predict(from: number, to: number): Promise<void> {
    if (await this.#ask(from, to)) return;
    await this.#assertModelIsWell();
    if (to - from === 1) {
      // Asked again, now that the model has just taken another row: what was of the moment is over.
      if (!(await this.#ask(from, to)))
        this.result.refused.set(from, {
          code: 'MODEL_REFUSED_ROW',
          reason: 'the model server refuses this row, and accepts others',
        });
      return;
    }
    const middle = (from + to) >> 1;
    await this.#predict(from, middle);
    await this.#predict(middle, to);
  }

  /** Returns false when the content of at least one row is refused. */
  async #ask(from: number, to: number): Promise<boolean> {
    const { model, pipeline, result } = this;
    try {
      const answer = await model.predict(
        pipeline,
        this.features.subarray(from * this.#width, to * this.#width),
        to - from,
      );
      this.#assertSameVersion(answer.version);
      result.version = answer.version;
      result.predictions.set(answer.predictions, from * outputWidthOf(pipeline));
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#refusals++;
      return false;
    }
  }

  #assertSameVersion(version: string): void {
    const { pipeline, result } = this;
    if (result.version && version !== result.version)
      throw new HeadraceError(
        'MODEL_UNAVAILABLE',
        `model "${pipeline.model.name}" changed from version ${result.version} to ${version} within a batch`,
      );
  }

  async #assertModelIsWell(): Promise<void> {
    if (await takesRow(this.model, this.pipeline, knownRow(this.pipeline))) return;
    const hasTaken = this.result.version !== '';
    // A model may refuse a row of zeros with reason. Nothing better is known until it has taken a first row.
    if (takenRows.has(this.pipeline) || (!hasTaken && this.#refusals > refusalsMax)) throw modelWrong(this.pipeline);
  }
}

/** A finite answer is one that can be stored and decided upon. */
export function refuseWhatIsNotFinite(
  { predictions, refused }: RowPredictions,
  pipeline: AnyPipeline,
  rows: number,
): void {
  const width = outputWidthOf(pipeline);
  for (let row = 0; row < rows; row++) {
    if (isFiniteAnswer(predictions, row * width, width)) continue;
    predictions.fill(0, row * width, (row + 1) * width);
    if (!refused.has(row))
      refused.set(row, { code: 'BAD_PREDICTION', reason: 'the answer for this row is missing or no finite number' });
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

function rememberTakenRow(
  pipeline: AnyPipeline,
  features: Float32Array,
  refused: ReadonlyMap<number, unknown>,
  rows: number,
): void {
  const width = Object.keys(pipeline.features).length;
  for (let row = rows - 1; row >= 0; row--) {
    if (refused.has(row)) continue;
    takenRows.set(pipeline, features.slice(row * width, (row + 1) * width));
    return;
  }
}

async function takesRow(model: ModelPort, pipeline: AnyPipeline, row: Float32Array): Promise<boolean> {
  try {
    return isFiniteAnswer((await model.predict(pipeline, row, 1)).predictions);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return false;
  }
}

function isFiniteAnswer(numbers: Float32Array, from = 0, length = numbers.length): boolean {
  for (let at = from; at < from + length; at++) if (!Number.isFinite(numbers[at])) return false;
  return true;
}

function isRefusal(error: unknown): boolean {
  return error instanceof HeadraceError && error.code === 'MODEL_REFUSED_ROW';
}

function modelWrong({ model }: AnyPipeline): HeadraceError {
  return new HeadraceError(
    'MODEL_WRONG',
    `model "${model.name}" refuses rows or answers no finite numbers, and for a harmless one too; check the model, its version and the server's log`,
  );
}
