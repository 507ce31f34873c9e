import { z } from 'zod';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { messageOf } from '../contracts/failures.ts';
import { acceptEvents, type AcceptedEvent } from './accept-events.ts';
import type { GatewayApp } from './app.ts';
import { eventTypes, registerEventBodies, type SentEvents } from './event-bodies.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { Problem } from '../lib/problem.ts';
import { problemSchema } from './problems.ts';
import { submitting } from '../contracts/timeouts.ts';

/** What taking events needs of Kafka. Resolves only when the brokers have all the messages in sync. */
export type PublishEvents = (topic: string, messages: EventMessage[]) => Promise<void>;

/** An event as Kafka gets it. */
export type EventMessage = Pick<AcceptedEvent, 'key' | 'value' | 'headers'>;

const eventsMax = 500;
const bodyBytesMax = 1024 * 1024;
/** A request is split so that none of its parts makes a record batch that brokers refuse. */
const partBytesMax = 700_000;

const acceptedSchema = z.object({ accepted: z.number(), eventIds: z.array(z.string()) }).meta({ id: 'AcceptedEvents' });

/** `POST /v1/pipelines/{name}/events` */
export function registerEventRoutes(
  app: GatewayApp,
  { pipelines, publishEvents }: { pipelines: readonly AnyPipeline[]; publishEvents: PublishEvents },
): void {
  registerEventBodies(app, bodyBytesMax);
  app.post('/v1/pipelines/:name/events', {
    bodyLimit: bodyBytesMax,
    schema: {
      tags: ['events'],
      summary: 'Take one event, or up to 500',
      description: description(pipelines.map(({ name }) => name)),
      consumes: [...eventTypes],
      params: z.object({ name: z.string() }),
      body: z.unknown().meta({
        description: 'One event, or an array of up to 500, as the event schema of the pipeline says.',
        examples: [{}],
      }),
      response: {
        202: acceptedSchema,
        400: problemSchema,
        404: problemSchema,
        413: problemSchema,
        415: problemSchema,
        503: problemSchema,
      },
    },
    handler: async (request, reply) => {
      const pipeline = pipelines.find(({ name }) => name === request.params.name);
      if (!pipeline) {
        throw new Problem(
          404,
          'unknown-pipeline',
          'Unknown pipeline',
          `"${request.params.name}" is none of ${pipelines.map(({ name }) => name).join(', ')}`,
        );
      }
      const accepted = acceptAll(pipeline, request.body as SentEvents | null | undefined);
      await publishAll(publishEvents, pipeline.topic.name, accepted);
      return reply.code(202).send({ accepted: accepted.length, eventIds: accepted.map(({ eventId }) => eventId) });
    },
  });
}

function description(pipelines: readonly string[]): string {
  return [
    'Answers 202 once Kafka has all of them in sync. All or none: when one is refused, none is taken. The record holds the bytes that were sent, without the whitespace around them.',
    'Bodies: one JSON object or an array of them; JSON lines (application/x-ndjson); CloudEvents in structured, batched and binary mode, whose data is the event, and whose attributes become',
    'the headers ce_* of the record. In UTF-8, UTF-16 or ISO-8859-1; content-encoding gzip, deflate or br, up to 1 MiB inflated.',
    `Pipelines: ${pipelines.join(', ')}.`,
  ].join(' ');
}

function acceptAll(pipeline: AnyPipeline, events: SentEvents | null | undefined): AcceptedEvent[] {
  if (!events)
    throw new Problem(
      400,
      'not-json',
      'The body is empty',
      'send one event as a JSON object, or an array of them, with the header content-type: application/json',
    );
  if (events.length === 0 || events.length > eventsMax) {
    throw new Problem(
      400,
      'event-count',
      'No events, or too many',
      `${events.length} events were sent; 1 to ${eventsMax} are taken at once`,
    );
  }
  const { accepted, refused } = acceptEvents(pipeline, events);
  if (refused.length > 0) {
    const detail = `${refused.length} of ${events.length} events are refused, so none was taken`;
    throw new Problem(400, 'refused-events', 'Events do not fit the pipeline', detail, { errors: refused });
  }
  return accepted;
}

async function publishAll(
  publishEvents: PublishEvents,
  topic: string,
  events: readonly AcceptedEvent[],
): Promise<void> {
  try {
    await withTimeout(submitting.publishMs, Promise.all(parts(events).map((part) => publishEvents(topic, part))));
  } catch (error) {
    if (/MESSAGE_TOO_LARGE|larger than/i.test(messageOf(error)))
      throw new Problem(
        413,
        'too-large',
        'Kafka refuses the size of an event',
        `topic ${topic}: raise its max.message.bytes`,
      );
    const detail = `Kafka did not confirm the events (${messageOf(error)}); it may have some of them. Send the request again`;
    throw new Problem(503, 'kafka-unavailable', 'Kafka does not take events now', detail, { retryAfterSeconds: 1 });
  }
}

function parts(events: readonly AcceptedEvent[]): EventMessage[][] {
  const all: EventMessage[][] = [];
  let bytes = Infinity;
  for (const { key, value, headers } of events) {
    bytes += key.length + value.length;
    if (bytes > partBytesMax) {
      all.push([]);
      bytes = key.length + value.length;
    }
    all.at(-1)!.push(headers ? { key, value, headers } : { key, value });
  }
  return all;
}
