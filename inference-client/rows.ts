/**
 * More rows than a model takes at once: cut the request by its first dimension, join the answers.
 *
 * The first part may go to whichever version the server picks; all others are pinned to the version that answered it. So the rows of
 * one request are never scored by two versions, even if a new one is loaded in between.
 */
import { InferenceError } from './errors.ts';
import type { InferRequest, InferResult } from './infer.ts';
import type { InputTensor, Tensor } from './tensors.ts';

/** How many rows a request has: the first dimension, which all inputs must share. @throws InferenceError WRONG_SHAPE */
export function rowCount({ model, inputs }: InferRequest): number {
  const counts = [...new Set(inputs.map(({ shape }) => shape[0]))];
  const [rows] = counts;
  if (counts.length === 1 && rows !== undefined && Number.isSafeInteger(rows) && rows > 0) return rows;
  const shapes = inputs.map(({ name, shape }) => `'${name}' [${shape.join(',')}]`).join(', ');
  throw new InferenceError(
    'WRONG_SHAPE',
    `the inputs must share a first dimension of at least 1, got ${shapes || 'no inputs'}`,
    { model },
  );
}

/** Cuts a request into parts of at most `rowsMax` rows; the data of the parts are views, not copies. */
export function splitRows(request: InferRequest, rowsMax: number): InferRequest[] {
  const rows = rowCount(request);
  if (rows <= rowsMax) return [request];
  const parts: InferRequest[] = [];
  for (let from = 0; from < rows; from += rowsMax) {
    const count = Math.min(rowsMax, rows - from);
    parts.push({ ...request, inputs: request.inputs.map((input) => sliceRows(input, rows, from, count)) });
  }
  return parts;
}

/**
 * Joins the answers of the parts, in order.
 *
 * @param rowsOfParts how many rows each part had
 * @throws InferenceError BAD_RESPONSE when an output does not have a row per row asked, or the answers differ in form or version
 */
export function joinRows(results: readonly InferResult[], rowsOfParts: readonly number[]): InferResult {
  const [first] = results;
  if (first === undefined) throw new RangeError('there are no results to join');
  const bad = (reason: string) =>
    new InferenceError('BAD_RESPONSE', reason, { model: first.model, version: first.version });
  for (const [index, result] of results.entries()) {
    if (result.version !== first.version) throw bad(`part ${index + 1} was answered by version ${result.version}`);
    const wrong = result.outputs.find(({ shape }) => shape[0] !== rowsOfParts[index]);
    if (wrong !== undefined)
      throw bad(`output '${wrong.name}' has shape [${wrong.shape.join(',')}] for ${rowsOfParts[index]} rows`);
  }
  if (results.length === 1) return first;
  return {
    ...first,
    outputs: first.outputs.map((output) =>
      joinOutput(
        output,
        results.map((result) => {
          const same = result.outputs.find(
            ({ name, datatype }) => name === output.name && datatype === output.datatype,
          );
          if (same === undefined || same.shape.slice(1).join() !== output.shape.slice(1).join())
            throw bad(`the parts disagree on output '${output.name}'`);
          return same;
        }),
      ),
    ),
  };
}

/** Sends the parts one after the other. `infer` sends one, `nowMs` tells how much of the whole request's deadline is left. */
export async function inferRows(
  request: InferRequest & { readonly deadlineMs: number },
  rowsMax: number,
  infer: (part: InferRequest) => Promise<InferResult>,
  nowMs: () => number,
): Promise<InferResult> {
  const endMs = nowMs() + request.deadlineMs;
  const results: InferResult[] = [];
  const parts = splitRows(request, rowsMax);
  for (const [index, part] of parts.entries()) {
    const deadlineMs = endMs - nowMs();
    if (deadlineMs <= 0) {
      throw new InferenceError('DEADLINE_EXCEEDED', `Deadline exceeded after ${index} of ${parts.length} parts`, {
        model: request.model,
      });
    }
    const version = results[0]?.version || part.version;
    results.push(await infer({ ...part, deadlineMs, ...(version !== undefined && { version }) }));
  }
  return joinRows(results, parts.map(rowCount));
}

function sliceRows(input: InputTensor, rows: number, from: number, count: number): InputTensor {
  const elementsPerRow = input.data.length / rows;
  if (!Number.isInteger(elementsPerRow)) {
    throw new InferenceError(
      'WRONG_SHAPE',
      `input '${input.name}': ${input.data.length} elements cannot be ${rows} rows`,
    );
  }
  const [start, end] = [from * elementsPerRow, (from + count) * elementsPerRow];
  const data = ArrayBuffer.isView(input.data) ? input.data.subarray(start, end) : input.data.slice(start, end);
  return { ...input, shape: [count, ...input.shape.slice(1)], data } as InputTensor;
}

function joinOutput(model: Tensor, parts: readonly Tensor[]): Tensor {
  const shape = [parts.reduce((rows, { shape: [count = 0] }) => rows + count, 0), ...model.shape.slice(1)];
  if (model.datatype === 'BYTES')
    return { ...model, shape, data: parts.flatMap((part) => part.data as readonly Uint8Array[]) };
  const length = parts.reduce((sum, { data }) => sum + data.length, 0);
  const data = new (model.data.constructor as new (length: number) => Float32Array)(length);
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return { ...model, shape, data } as Tensor;
}
