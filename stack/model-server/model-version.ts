/** One version of one model in memory: its ONNX Runtime session, its counters, and an end that waits for running requests. */
import { readFile, stat } from 'node:fs/promises';
import type { ModelConfig, ModelInferRequest, ModelInferResponse } from '@headrace/inference-client/generated';
import type { InferenceSession as Session } from 'onnxruntime-node';
import { InferenceSession } from './onnx-runtime.ts';
import { RepositoryError } from './repository.ts';
import { readInputs, readOutputNames } from './request.ts';
import { writeOutputs } from './response.ts';
import { internal } from './rpc-error.ts';
import { type Signature, signatureOf } from './signature.ts';
import { createStatistics, type StatisticsCounter } from './statistics.ts';

export interface ModelVersion {
  readonly version: bigint;
  readonly config: ModelConfig;
  readonly signature: Signature;
  readonly statistics: StatisticsCounter;
  /** Returns one request. `startedNs` is when it arrived. @throws RpcError */
  infer(request: ModelInferRequest, startedNs: bigint): Promise<ModelInferResponse>;
  /** Gives the memory back when the last running request has ended. Ask for nothing new after this. */
  retire(): Promise<void>;
}

/** Reads a model file and checks it against its configuration. @throws RepositoryError */
export async function loadModelVersion(config: ModelConfig, version: bigint, file: string): Promise<ModelVersion> {
  const session = await openSession(config, file);
  let signature: Signature;
  try {
    signature = signatureOf(config, file, session);
  } catch (error) {
    await session.release();
    throw error;
  }
  const statistics = createStatistics();
  let running = 0;
  let onIdle: (() => void) | undefined;

  async function run(request: ModelInferRequest, startedNs: bigint): Promise<ModelInferResponse> {
    const beganNs = process.hrtime.bigint();
    const names = readOutputNames(request, config.name, signature);
    const { tensors, rows } = readInputs(request, config, signature);
    const fedNs = process.hrtime.bigint();
    const values = await session.run(tensors, names).catch((error: unknown) => {
      throw internal(error instanceof Error ? error.message : String(error), error);
    });
    const ranNs = process.hrtime.bigint();
    const response = {
      modelName: config.name,
      modelVersion: String(version),
      id: request.id,
      parameters: new Map(),
      ...writeOutputs(names, values, signature),
    };
    statistics.succeeded(rows, {
      queueNs: beganNs - startedNs,
      inputNs: fedNs - beganNs,
      inferNs: ranNs - fedNs,
      outputNs: process.hrtime.bigint() - ranNs,
    });
    return response;
  }

  return {
    version,
    config,
    signature,
    statistics,
    async infer(request, startedNs) {
      running++;
      try {
        return await run(request, startedNs);
      } catch (error) {
        statistics.failed(process.hrtime.bigint() - startedNs);
        throw error;
      } finally {
        running--;
        if (running === 0) onIdle?.();
      }
    },
    async retire() {
      if (running > 0)
        await new Promise<void>((resolve) => {
          onIdle = resolve;
        });
      await session.release();
    },
  };
}

async function openSession({ name }: ModelConfig, file: string): Promise<Session> {
  try {
    // One thread: a small model gains nothing from more, and the other servers on the machine need the rest.
    return await InferenceSession.create(file, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
    });
  } catch (error) {
    if (await isGitLfsPointer(file))
      throw new RepositoryError(
        `Model '${name}': ${file} is not the model but what Git LFS keeps in its place; fetch it with: git lfs pull`,
        { cause: error },
      );
    throw new RepositoryError(
      `Model '${name}': ${file} is not an ONNX model that can be run: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

/** What a clone without Git LFS has instead of its large files. */
async function isGitLfsPointer(file: string): Promise<boolean> {
  const { size } = await stat(file);
  return size < 1_024 && (await readFile(file, 'utf8')).startsWith('version https://git-lfs.github.com/');
}
