/** The client: one method for each remote procedure, and rows beyond the model's limit. */
import type { BreakerState } from './breaker.ts';
import { type Caller, createCaller } from './caller.ts';
import { InferenceError } from './errors.ts';
import type {
  ModelConfig,
  ModelMetadataResponse,
  ModelStatistics,
  RepositoryIndexResponse_ModelIndex,
  ServerMetadataResponse,
} from './generated/inference.ts';
import { fromInferMessage, type InferRequest, type InferResult, toInferMessage } from './infer.ts';
import { methods } from './methods.ts';
import { checkedDeadlineMs, type InferenceClientOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { createRowLimits, type RowLimits } from './row-limits.ts';
import { inferRows, rowCount } from './rows.ts';
import type { ClientStatistics } from './statistics.ts';

/** Options that every call takes. */
export interface PerCallOptions {
  readonly deadlineMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Options of a call about one model. */
export interface ModelCallOptions extends PerCallOptions {
  /** @default the server's choice */
  readonly version?: string;
}

/** Every method rejects with InferenceError and with nothing else, at the latest when its deadline is over. */
export interface InferenceClient {
  /** Whether the process answers. `false` and an error are different things: an error says that nobody answered. */
  serverLive(options?: PerCallOptions): Promise<boolean>;
  /** Whether it is ready to infer. */
  serverReady(options?: PerCallOptions): Promise<boolean>;
  /** Name, version and protocol extensions of the server. */
  serverMetadata(options?: PerCallOptions): Promise<ServerMetadataResponse>;
  /** Whether the model can be asked now; `false` for one that does not exist. */
  modelReady(model: string, options?: ModelCallOptions): Promise<boolean>;
  /** Versions, inputs and outputs of the model; shapes with the row dimension. */
  modelMetadata(model: string, options?: ModelCallOptions): Promise<ModelMetadataResponse>;
  /** The configuration that the server uses; dims without the row dimension when `maxBatchSize` is above 0. */
  modelConfig(model: string, options?: ModelCallOptions): Promise<ModelConfig>;
  /** The most rows that the model takes in one request, as `inferRows` cuts by it; Infinity where it names no limit. */
  rowsMax(model: string, options?: ModelCallOptions): Promise<number>;
  /** One request, sent as it is. */
  infer(request: InferRequest): Promise<InferResult>;
  /**
   * One request of any number of rows (the first dimension of every input), sent in parts that the model takes, all answered by one version.
   * `rowsMax` defaults to the model's `max_batch_size`; the deadline is for all parts together.
   */
  inferRows(request: InferRequest, options?: { readonly rowsMax?: number }): Promise<InferResult>;
  /** What the repository holds, and in which state; `readyOnly` leaves out the rest. */
  repositoryIndex(
    options?: PerCallOptions & { readonly readyOnly?: boolean },
  ): Promise<RepositoryIndexResponse_ModelIndex[]>;
  /** Loads a model, or loads it anew so that new versions appear. Resolves when it is ready. */
  loadModel(model: string, options?: PerCallOptions): Promise<void>;
  /** Takes a model out of service. */
  unloadModel(model: string, options?: PerCallOptions): Promise<void>;
  /** What the server counted: of one model, or of all. */
  modelStatistics(model?: string, options?: ModelCallOptions): Promise<ModelStatistics[]>;
  /** What this client counted. */
  statistics(): ClientStatistics;
  /** The state of the breaker in front of `infer`, which each model has of its own; `undefined` when there is none. */
  breakerState(model: string): BreakerState | undefined;
  /** Refuses new calls at once, resolves when those under way have ended. */
  close(): Promise<void>;
}

/**
 * Creates a client. It connects with the first call.
 *
 * @throws InferenceError INVALID_CONFIG naming the option that is wrong
 */
export function createInferenceClient(options: InferenceClientOptions): InferenceClient {
  const resolved = resolveOptions(options);
  const caller = createCaller(resolved);
  const context: Context = { resolved, caller, calls: callOptions(resolved) };
  const models = modelCalls(context);
  const limits = createRowLimits(models.modelConfig, resolved.nowMs);
  return {
    ...serverCalls(context),
    ...models,
    ...loadingCalls(context, limits),
    ...inferenceCalls(context, limits),
    statistics: () => caller.statistics.snapshot(),
    breakerState: (model) => caller.breakerState(model),
    close: () => caller.close(),
  };
}

/** What all methods of one client share. */
interface Context {
  readonly resolved: ResolvedOptions;
  readonly caller: Caller;
  readonly calls: ReturnType<typeof callOptions>;
}

/** The options of one call, its deadline checked. */
function callOptions({ deadlineMs, loadDeadlineMs }: ResolvedOptions) {
  const general = (per: PerCallOptions = {}) => ({
    ...per,
    deadlineMs: checkedDeadlineMs('deadlineMs', per.deadlineMs ?? deadlineMs),
  });
  const about = (model: string, per: ModelCallOptions = {}) => ({ ...general(per), model, version: per.version });
  const loading = (model: string, per: PerCallOptions = {}) =>
    about(model, { ...per, deadlineMs: per.deadlineMs ?? loadDeadlineMs });
  return { general, about, loading };
}

function serverCalls({ caller, calls: { general, about } }: Context) {
  return {
    serverLive: async (per) => (await caller.call(methods.serverLive, {}, general(per))).live,
    serverReady: async (per) => (await caller.call(methods.serverReady, {}, general(per))).ready,
    serverMetadata: async (per) => caller.call(methods.serverMetadata, {}, general(per)),
    repositoryIndex: async (per) =>
      (await caller.call(methods.repositoryIndex, { repositoryName: '', ready: per?.readyOnly ?? false }, general(per)))
        .models,
    modelStatistics: async (model = '', per) =>
      (await caller.call(methods.modelStatistics, { name: model, version: per?.version ?? '' }, about(model, per)))
        .modelStats,
  } satisfies Partial<InferenceClient>;
}

function modelCalls({ resolved: { address }, caller, calls: { about } }: Context) {
  return {
    modelReady: async (model, per) =>
      (await caller.call(methods.modelReady, { name: model, version: per?.version ?? '' }, about(model, per))).ready,
    modelMetadata: async (model, per) =>
      caller.call(methods.modelMetadata, { name: model, version: per?.version ?? '' }, about(model, per)),
    async modelConfig(model: string, per?: ModelCallOptions): Promise<ModelConfig> {
      const { config } = await caller.call(
        methods.modelConfig,
        { name: model, version: per?.version ?? '' },
        about(model, per),
      );
      if (config === undefined)
        throw new InferenceError('BAD_RESPONSE', 'the answer has no configuration', {
          address,
          model,
          method: 'ModelConfig',
        });
      return config;
    },
  } satisfies Partial<InferenceClient>;
}

/** Loading and unloading; what was known of a model's row limit is then out of date. */
function loadingCalls({ caller, calls: { loading } }: Context, limits: RowLimits) {
  return {
    async loadModel(model, per) {
      limits.forget(model);
      await caller.call(
        methods.repositoryModelLoad,
        { repositoryName: '', modelName: model, parameters: new Map() },
        loading(model, per),
      );
      limits.forget(model);
    },
    async unloadModel(model, per) {
      limits.forget(model);
      await caller.call(
        methods.repositoryModelUnload,
        { repositoryName: '', modelName: model, parameters: new Map() },
        loading(model, per),
      );
    },
  } satisfies Partial<InferenceClient>;
}

function inferenceCalls(
  { resolved: { address, nowMs }, caller, calls: { general, about } }: Context,
  limits: RowLimits,
) {
  async function infer(request: InferRequest): Promise<InferResult> {
    const place = {
      address,
      model: request.model,
      ...(request.version && { version: request.version }),
      method: 'ModelInfer',
    };
    const response = await caller.call(
      methods.modelInfer,
      toInferMessage(request, place),
      about(request.model, request),
      true,
    );
    const result = fromInferMessage(response, request.outputs ?? [], place);
    caller.statistics.scored(request.inputs[0]?.shape[0] ?? 1);
    return result;
  }

  return {
    infer,
    rowsMax: async (model, per) => limits.of(model, about(model, per)),
    async inferRows(request, { rowsMax } = {}) {
      const startedMs = nowMs();
      const { deadlineMs } = general(request);
      rowCount(request);
      const limit =
        rowsMax ??
        (await limits.of(request.model, {
          deadlineMs,
          ...(request.version && { version: request.version }),
          ...(request.signal && { signal: request.signal }),
        }));
      if (!(limit >= 1)) throw new InferenceError('INVALID_CONFIG', `rowsMax must be at least 1, got ${limit}`);
      return inferRows({ ...request, deadlineMs: deadlineMs - (nowMs() - startedMs) }, Math.floor(limit), infer, nowMs);
    },
  } satisfies Partial<InferenceClient>;
}
