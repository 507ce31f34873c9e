/**
 * Times that depend on each other: what one part waits for is shorter than what waits for that part. Each is derived here from the one that
 * it depends on, in milliseconds; a time that depends on no other stands where it is used. `test/contracts/timeouts.test.ts` holds the
 * relations, those to `stack/` and docker-compose.yml too.
 */

/** How long the death of a worker goes unnoticed, and how often an activity says that it lives: several may be late or lost. */
export const heartbeats = {
  batch: beats({ timeoutMs: 8_000, perTimeout: 4 }),
  upkeep: beats({ timeoutMs: 30_000, perTimeout: 6 }),
};

function beats({ timeoutMs, perTimeout }: { timeoutMs: number; perTimeout: number }) {
  return { timeoutMs, everyMs: timeoutMs / perTimeout };
}

/** One try of a step of a lane comes again after this long at the most. */
export const laneRetryMsMax = 5_000;

/**
 * One try to score a batch, by the server's clock. `hereMs` is of a local activity, which holds a workflow task; `durablyMs` of a regular one.
 * A batch whose predecessor is missing waits `waitMs` for it, and then works `workMs` at what it missed: both in one durable try. Who has not
 * asked again for `staleMs`, longer than a try and its retry take, has gone.
 */
export const scoring = scoringTimes({ hereMs: 4_000, durablyMs: 30_000 });

function scoringTimes({ hereMs, durablyMs }: { hereMs: number; durablyMs: number }) {
  return { hereMs, durablyMs, waitMs: durablyMs / 3, workMs: durablyMs / 2, staleMs: 2 * durablyMs };
}

/** What `score` leaves of its time-out, for a worker that is busy, and to record what it has. */
const reserveMs = 500;

/** What deciding takes besides the model's answer. */
const aroundModelMs = 500;

/**
 * How long `score`, whose features took `tookMs`, waits for the decisions: a little longer than one call of the model may take, as far as this
 * try has time. Decisions that take longer go on, and are a step of their own.
 */
export function decideMsMax({ modelDeadlineMs, tookMs }: { modelDeadlineMs: number; tookMs: number }): number {
  return Math.max(0, Math.min(modelDeadlineMs + aroundModelMs, scoring.hereMs - reserveMs - tookMs));
}

/**
 * One delivery. A quick try may take `quickMs`, and its local activity twice as long, because a busy worker is late to notice. What a durable
 * try waits for ends `deliverMs` after its begin, so that what hangs has ended before it is tried again.
 */
export const delivering = deliveryTimes({ quickMs: 2_000, durablyMs: 60_000 });

function deliveryTimes({ quickMs, durablyMs }: { quickMs: number; durablyMs: number }) {
  return { quickMs, hereMs: 2 * quickMs, durablyMs, deliverMs: durablyMs - 10_000 };
}

/**
 * How a process stops. It ends by itself after `processMs`, whatever is under way. Within that the bridge waits `drainMs` for what it has begun,
 * and the worker gives up deliveries after `deliveriesMs`, lets activities end until `activitiesMs`, and forces them to end at `forceMs`.
 */
export const stopping = stopTimes({ processMs: 7_500 });

function stopTimes({ processMs }: { processMs: number }) {
  const activitiesMs = processMs - 2_500;
  return {
    processMs,
    drainMs: processMs - 3_500,
    deliveriesMs: activitiesMs - 2_000,
    activitiesMs,
    forceMs: activitiesMs + 1_000,
  };
}

/** One request to a broker, and what depends on it. A commit has time for a second request; one that is under way for longer than many of them never ends. */
export const kafkaRequests = requestTimes({ requestMs: 10_000 });

function requestTimes({ requestMs }: { requestMs: number }) {
  return { requestMs, commitMs: 2 * requestMs, stuckMs: 6 * requestMs };
}

/**
 * What follows from the session of the consumer group. A member must show itself several times within it. A clock that is set back by a third
 * of it keeps heartbeats back for too long. To start a batch takes no longer than between two heartbeats, but time enough for a busy server.
 */
export function sessionTimes(sessionTimeoutMs: number) {
  const heartbeatMs = Math.floor(sessionTimeoutMs / 6);
  return {
    heartbeatMs,
    clockStepMs: sessionTimeoutMs / 3,
    startMs: Math.max(1_500, heartbeatMs),
    /** Joining waits for a rebalance, which waits for members that are gone. */
    joinMs: 60_000 + sessionTimeoutMs,
  };
}

/** Who asks for the status waits longer than whom it asks: a user's program, the gateway, then each of the servers, side by side. */
export const asking = askingTimes({ processMs: 1_500, temporalMs: 3_000, kafkaMs: 8_000 });

function askingTimes({ processMs, temporalMs, kafkaMs }: { processMs: number; temporalMs: number; kafkaMs: number }) {
  const gatewayMs = kafkaMs + temporalMs + 1_000;
  return { processMs, temporalMs, kafkaMs, gatewayMs, askerMs: gatewayMs + 3_000 };
}

/** A request with events: until Kafka has them, the gateway waits `publishMs`. Whoever sends them waits for its answer. */
export const submitting = submitTimes({ publishMs: 15_000 });

function submitTimes({ publishMs }: { publishMs: number }) {
  return { publishMs, askerMs: 2 * publishMs };
}
