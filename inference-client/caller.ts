/** One call as the client makes it: breaker, channel, statistics. */
import { type Breaker, createBreaker, type Permit } from './breaker.ts';
import { type CallOptions, type Channel, createChannel } from './channel.ts';
import { InferenceError, inferenceErrorCodes } from './errors.ts';
import { nameOfMethod, type UnaryMethod } from './methods.ts';
import type { ResolvedOptions } from './options.ts';
import { createStatistics, type StatisticsRecorder } from './statistics.ts';

export interface Caller {
  /** Makes one call; with `guarded` the breaker may refuse it (BREAKER_OPEN) and learns from its outcome. */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: CallOptions,
    guarded?: boolean,
  ): Promise<Response>;
  readonly breaker: Breaker | undefined;
  readonly statistics: StatisticsRecorder;
  close: Channel['close'];
}

/** Creates the caller of one client, with its channel. */
export function createCaller(options: ResolvedOptions): Caller {
  const { address, nowMs } = options;
  const statistics = createStatistics();
  const channel = createChannel({ ...options, onRebuild: () => statistics.rebuilt() });
  const breaker = options.breaker && createBreaker({ ...options.breaker, nowMs });

  function acquire(call: CallOptions, method: string): Permit | undefined {
    const permit = breaker?.acquire();
    if (permit === undefined || !('retryAfterMs' in permit)) return permit;
    statistics.refused('BREAKER_OPEN');
    const wait =
      permit.retryAfterMs > 0 ? `asking again in ${Math.ceil(permit.retryAfterMs)} ms` : 'a probe is under way';
    throw new InferenceError('BREAKER_OPEN', `The last calls found the server unwell; ${wait}`, {
      address,
      method,
      ...(call.model !== undefined && { model: call.model }),
    });
  }

  return {
    breaker,
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
