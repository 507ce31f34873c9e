/** One call as the client makes it: breaker, channel, statistics. */
import { type Breaker, type BreakerState, createBreaker, type Permit } from './breaker.ts';
import { type CallOptions, type Channel, createChannel } from './channel.ts';
import { InferenceError, inferenceErrorCodes } from './errors.ts';
import { nameOfMethod, type UnaryMethod } from './methods.ts';
import type { ResolvedOptions } from './options.ts';
import { createStatistics, type StatisticsRecorder } from './statistics.ts';

export interface Caller {
  /** Makes one call; with `guarded` the breaker of its model may refuse it (BREAKER_OPEN) and learns from its outcome. */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: CallOptions,
    guarded?: boolean,
  ): Promise<Response>;
  /** The state of the breaker of a model; `undefined` when there are none. */
  breakerState(model: string): BreakerState | undefined;
  readonly statistics: StatisticsRecorder;
  close: Channel['close'];
}

/** Models of which the breaker is kept; the one that was asked for longest ago goes first. */
const breakersMax = 1_000;

/** Creates the caller of one client, with its channel. */
export function createCaller(options: ResolvedOptions): Caller {
  const { address, nowMs } = options;
  const statistics = createStatistics();
  const channel = createChannel({ ...options, onRebuild: () => statistics.rebuilt() });
  const breakers = new Map<string, Breaker>();

  /** Each model has one: what hangs may be that model alone, and the others of the server answer. */
  function breakerOf(model: string): Breaker | undefined {
    if (!options.breaker) return undefined;
    const breaker = breakers.get(model) ?? createBreaker({ ...options.breaker, nowMs });
    breakers.delete(model);
    breakers.set(model, breaker);
    if (breakers.size > breakersMax) breakers.delete(breakers.keys().next().value!);
    return breaker;
  }

  function acquire(call: CallOptions, method: string): Permit | undefined {
    const permit = breakerOf(call.model ?? '')?.acquire();
    if (permit === undefined || !('retryAfterMs' in permit)) return permit;
    statistics.refused('BREAKER_OPEN');
    const wait =
      permit.retryAfterMs > 0 ? `asking again in ${Math.ceil(permit.retryAfterMs)} ms` : 'a probe is under way';
    throw new InferenceError('BREAKER_OPEN', `The last calls for the model found the server unwell; ${wait}`, {
      address,
      method,
      ...(call.model !== undefined && { model: call.model }),
    });
  }

  return {
    breakerState: (model) => (options.breaker ? (breakers.get(model)?.state ?? 'closed') : undefined),
    statistics,
    close: () => channel.close(),
    async call(method, request, call, guarded = false) {
      const name = nameOfMethod(method.path);
      const permit = guarded ? acquire(call, name) : undefined;
      const startedMs = nowMs();
      try {
        const response = await channel.unary(method, request, call);
        statistics.called(name, nowMs() - startedMs);
        permit?.succeeded();
        return response;
      } catch (error) {
        const failure = error instanceof InferenceError ? error.code : 'SERVER_ERROR';
        statistics.called(name, nowMs() - startedMs, failure);
        report(permit, failure);
        throw error;
      }
    },
  };
}

/** A refusal by content is as good a sign of life as an answer. */
function report(permit: Permit | undefined, failure: keyof typeof inferenceErrorCodes): void {
  const isOurs = failure === 'CANCELLED' || failure === 'CLIENT_CLOSED' || failure === 'INVALID_CONFIG';
  if (isOurs) permit?.abstained();
  else if (inferenceErrorCodes[failure].breaks) permit?.failed();
  else permit?.succeeded();
}
