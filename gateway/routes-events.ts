import { z } from 'zod';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { messageOf } from '../contracts/failures.ts';
import { acceptEvents, type AcceptedEvent } from './accept-events.ts';
import type { GatewayApp } from './app.ts';
import { within } from '../contracts/within.ts';
import { Problem, problemSchema } from './problems.ts';

/** What taking events needs of Kafka. Resolves only when the brokers have all the messages in sync. */
export type PublishEvents = (topic: string, messages: { key: Buffer; value: Buffer }[]) => Promise<void>;

const eventsMax = 500;
const bodyBytesMax = 1024 * 1024;
/** Longer than the publisher's own tries take; whoever waits this long is told to send again. */
const publishTimeoutMs = 15_000;
/** A request is split so that none of its parts makes a record batch that brokers refuse. */
const partBytesMax = 700_000;

const acceptedSchema = z.object({ accepted: z.number(), eventIds: z.array(z.string()) }).meta({ id: 'AcceptedEvents' });

/** `POST /v1/pipelines/{name}/events` */
export function registerEventRoutes(app: GatewayApp, { pipelines, publishEvents }: { pipelines: readonly AnyPipeline[]; publishEvents: PublishEvents }): void {
  // Unlike the server's own parser this one keeps keys such as __proto__ as plain data, so that the answer can name the event that has one.
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: bodyBytesMax }, (_, body, done) => {
    try {
      done(null, JSON.parse(body as string));
    } catch {
      done(new Problem(400, 'not-json', 'The body is no JSON', 'send one event as a JSON object, or an array of them'));
    }
  });
  app.post('/v1/pipelines/:name/events', {
    bodyLimit: bodyBytesMax,
    schema: {
      tags: ['events'],
      summary: 'Take one event, or up to 500',
      description: `Answers 202 once Kafka has all of them in sync. All or none: when one is refused, none is taken. Pipelines: ${pipelines.map(({ name }) => name).join(', ')}.`,
      params: z.object({ name: z.string() }),
      body: z.unknown().meta({ description: 'One event, or an array of up to 500, as the event schema of the pipeline says.', examples: [{}] }),
      response: { 202: acceptedSchema, 400: problemSchema, 404: problemSchema, 413: problemSchema, 503: problemSchema },
    },
    handler: async (request, reply) => {
      const pipeline = pipelines.find(({ name }) => name === request.params.name);
      if (!pipeline) {
        throw new Problem(404, 'unknown-pipeline', 'Unknown pipeline', `"${request.params.name}" is none of ${pipelines.map(({ name }) => name).join(', ')}`);
      }
      const accepted = acceptAll(pipeline, request.body);
      await publishAll(publishEvents, pipeline.topic.name, accepted);
      return reply.code(202).send({ accepted: accepted.length, eventIds: accepted.map(({ eventId }) => eventId) });
    },
  });
}

function acceptAll(pipeline: AnyPipeline, body: unknown): AcceptedEvent[] {
  const events = Array.isArray(body) ? (body as unknown[]) : [body];
  if (events.length === 0 || events.length > eventsMax) {
    throw new Problem(400, 'event-count', 'No events, or too many', `${events.length} events were sent; 1 to ${eventsMax} are taken at once`);
  }
  const { accepted, refused } = acceptEvents(pipeline, events);
  if (refused.length > 0) {
    const detail = `${refused.length} of ${events.length} events are refused, so none was taken`;
    throw new Problem(400, 'refused-events', 'Events do not fit the pipeline', detail, { errors: refused });
  }
  return accepted;
}

async function publishAll(publishEvents: PublishEvents, topic: string, events: readonly AcceptedEvent[]): Promise<void> {
  try {
    await within(publishTimeoutMs, Promise.all(parts(events).map((part) => publishEvents(topic, part))));
  } catch (error) {
    if (/MESSAGE_TOO_LARGE|larger than/i.test(messageOf(error))) throw new Problem(413, 'too-large', 'Kafka refuses the size of an event', `topic ${topic}: raise its max.message.bytes`);
    const detail = `Kafka did not confirm the events (${messageOf(error)}); it may have some of them. Send the request again`;
    throw new Problem(503, 'kafka-unavailable', 'Kafka does not take events now', detail, { retryAfterSeconds: 1 });
  }
}

function parts(events: readonly AcceptedEvent[]): { key: Buffer; value: Buffer }[][] {
  const all: { key: Buffer; value: Buffer }[][] = [];
  let bytes = Infinity;
  for (const { key, value } of events) {
    bytes += key.length + value.length;
    if (bytes > partBytesMax) {
      all.push([]);
      bytes = key.length + value.length;
    }
    all.at(-1)!.push({ key, value });
  }
  return all;
}
