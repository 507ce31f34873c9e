/** The remote procedures, each a few lines over the models. */
import { type sendUnaryData, type ServerUnaryCall, status as Status } from '@grpc/grpc-js';
import type {
  GRPCInferenceServiceServer,
  ModelInferRequest,
  ModelInferResponse,
  ModelMetadataResponse,
  ModelMetadataResponse_TensorMetadata,
  ModelStatistics,
  ServerMetadataResponse,
} from '@headrace/inference-client/generated';
import type { Models } from './models.ts';
import { invalidArgument, RpcError, unavailable, unimplemented } from './rpc-error.ts';
import type { TensorSignature } from './signature.ts';

/** Returns itself, or an RpcError. */
type Answer<Request, Response> = (request: Request, isCancelled: () => boolean) => Response | Promise<Response>;

export interface ServiceOptions {
  readonly models: Models;
  readonly serverMetadata: ServerMetadataResponse;
  /** Requests that may wait or run at once; more are refused, so that memory is bounded. */
  readonly requestsMax: number;
  /** Called with what is a bug here rather than a mistake of the caller. */
  readonly onBug: (error: unknown) => void;
}

/** Creates the handlers for a gRPC server. */
export function createService(options: ServiceOptions): GRPCInferenceServiceServer {
  const { models, serverMetadata, onBug } = options;
  const unary = <Request, Response>(answer: Answer<Request, Response>) => handlerOf(answer, onBug);
  return {
    serverLive: unary(() => ({ live: true })),
    serverReady: unary(() => ({ ready: true })),
    serverMetadata: unary(() => serverMetadata),
    modelReady: unary(({ name, version }) => ({ ready: isReady(models, name, version) })),
    modelMetadata: unary(({ name, version }) => metadataOf(models, name, version)),
    modelConfig: unary(({ name, version }) => ({ config: models.find(name, version).config })),
    modelInfer: unary(inferWith(options)),
    modelStatistics: unary(({ name, version }) => ({ modelStats: statisticsOf(models, name, version) })),

    repositoryIndex: unary(async ({ repositoryName, ready }) => {
      refuseRepositoryName(repositoryName);
      return { models: await models.index(ready) };
    }),
    repositoryModelLoad: unary(async ({ repositoryName, modelName, parameters }) => {
      refuseRepositoryName(repositoryName);
      const [parameter] = parameters.keys();
      if (parameter !== undefined)
        throw unimplemented(
          `the load parameter '${parameter}' is not supported here; change the files in the repository instead`,
        );
      await models.load(modelName);
      return {};
    }),
    repositoryModelUnload: unary(async ({ repositoryName, modelName }) => {
      refuseRepositoryName(repositoryName);
      await models.unload(modelName);
      return {};
    }),
  };
}

/** A gRPC handler that replies what `answer` returns, or the status of what it throws. */
function handlerOf<Request, Response>(answer: Answer<Request, Response>, onBug: ServiceOptions['onBug']) {
  return (call: ServerUnaryCall<Request, Response>, reply: sendUnaryData<Response>): void => {
    new Promise<Response>((resolve) => resolve(answer(call.request, () => call.cancelled))).then(
      (response) => reply(null, response),
      (error: unknown) => {
        if (error instanceof RpcError) return reply({ code: error.code, details: error.message });
        onBug(error);
        reply({
          code: Status.INTERNAL,
          details: `internal error of the model server: ${error instanceof Error ? error.message : String(error)}`,
        });
      },
    );
  };
}

/** Infers, and refuses requests beyond the limit. */
function inferWith({
  models,
  requestsMax,
}: Pick<ServiceOptions, 'models' | 'requestsMax'>): Answer<ModelInferRequest, ModelInferResponse> {
  let requests = 0;
  return async (request, isCancelled) => {
    if (requests >= requestsMax)
      throw unavailable(`[request id: ${request.id || '<id_unknown>'}] Exceeds maximum queue size`);
    const startedNs = process.hrtime.bigint();
    requests++;
    try {
      // A run holds the event loop, so let the cancellations that have arrived be read first: nobody waits for those answers.
      await new Promise((resolve) => setImmediate(resolve));
      if (isCancelled()) throw new RpcError(Status.CANCELLED, 'the request was cancelled before it ran');
      // Found only now: from here to the start of the run nothing waits, so the version cannot be retired in between.
      return await models.find(request.modelName, request.modelVersion).infer(request, startedNs);
    } finally {
      requests--;
    }
  };
}

function statisticsOf(models: Models, name: string, version: string): ModelStatistics[] {
  if (name !== '' && !models.names().includes(name))
    throw invalidArgument(`requested model '${name}' is not available`);
  const names = name === '' ? models.names() : [name];
  const all = names.flatMap((each) =>
    models.versionsOf(each).map((one) => one.statistics.snapshot(each, String(one.version))),
  );
  const found = all.filter((one) => version === '' || one.version === version);
  if (version !== '' && found.length === 0)
    throw invalidArgument(`requested model version is not available for model '${name}'`);
  return found;
}

function isReady(models: Models, name: string, version: string): boolean {
  try {
    models.find(name, version);
    return true;
  } catch (error) {
    if (error instanceof RpcError && error.code === Status.NOT_FOUND) return false;
    throw error;
  }
}

function metadataOf(models: Models, name: string, version: string): ModelMetadataResponse {
  const { config, signature } = models.find(name, version);
  const describe = (tensors: readonly TensorSignature[]) =>
    tensors.map(
      ({ name: tensor, type, shape }): ModelMetadataResponse_TensorMetadata => ({
        name: tensor,
        datatype: type.wireName,
        shape: shape.map(BigInt),
      }),
    );
  return {
    name,
    versions: models.versionsOf(name).map((one) => String(one.version)),
    platform: config.platform,
    inputs: describe(signature.inputs),
    outputs: describe(signature.outputs),
  };
}

function refuseRepositoryName(name: string): void {
  if (name !== '') throw unimplemented("'repository_name' specification is not supported");
}
