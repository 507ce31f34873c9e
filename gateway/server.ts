import type { GaugeSources } from './gauge-sources.ts';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { PayloadCodec } from '../temporal/payload-codec.ts';
import fastify, { LogController, type FastifyBaseLogger } from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Pool } from 'pg';
import type { Registry } from 'prom-client';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { createStandingReader, type StateReaders } from '../status/standing.ts';
import type { Logger } from '../lib/log.ts';
import type { GatewayApp } from './app.ts';
import { refuseConnection, refuseOddRequests } from './client-errors.ts';
import { registerJsonBodies } from './json-bodies.ts';
import type { LinkOptions } from './links.ts';
import { mergeMetrics } from './merge-metrics.ts';
import { registerMetrics } from './metrics.ts';
import { Problem } from '../lib/problem.ts';
import { problemType, registerProblems, sendError } from './problems.ts';
import type { Check } from './readiness.ts';
import { registerCodecRoutes } from './routes-codec.ts';
import { registerDecisionRoutes } from './routes-decisions.ts';
import { registerEventRoutes, type PublishEvents } from './routes-events.ts';
import { registerHealthRoutes } from './routes-health.ts';
import { registerReviewRoutes } from './routes-reviews.ts';
import { registerStatusRoute } from './routes-status.ts';
import type { SendVerdict } from '../temporal/verdicts.ts';

/** Everything the gateway needs of the world. */
export interface GatewayOptions {
  deployment: string;
  version: string;
  pipelines: readonly AnyPipeline[];
  publishEvents: PublishEvents;
  pool: Pool;
  sendVerdict: SendVerdict;
  links: LinkOptions;
  /** What `/readyz` asks, by server. */
  checks: Record<string, Check>;
  codec: PayloadCodec;
  codecOrigins: ReadonlySet<string>;
  registry: Registry;
  /** `host:port` of the other processes' metrics. */
  metricsTargets: readonly string[];
  gauges: GaugeSources;
  state: StateReaders;
  log: Logger;
  /** @default performance.now */
  nowMs?: () => number;
}

const requestTimeoutMs = 30_000;
const connectionTimeoutMs = 60_000;
const keepAliveTimeoutMs = 30_000;
/** Longer than any id; what is longer is refused before it is looked up. */
const paramCharsMax = 1_000;

/** The web application, not yet listening. Closing it waits for the requests under way. */
export async function createGateway(options: GatewayOptions): Promise<GatewayApp> {
  const app: GatewayApp = fastify({
    loggerInstance: options.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: requestTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    bodyLimit: 64 * 1024,
    routerOptions: { maxParamLength: paramCharsMax },
    forceCloseConnections: 'idle',
    // Node would refuse a request without a host by itself, and without a body that says so.
    http: { requireHostHeader: false },
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
    clientErrorHandler: refuseConnection,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  registerProblems(app);
  registerJsonBodies(app);
  refuseOddRequests(app.server);
  app.addHook('onRequest', async ({ raw: { httpVersion, headers } }) => {
    if (httpVersion === '1.1' && headers.host === undefined)
      throw new Problem(400, 'invalid-http', 'The request cannot be used', 'it has no host header');
  });
  const standing = createStandingReader(options.state);
  const { targetMissing } = registerMetrics(
    app,
    options.registry,
    options.gauges,
    standing,
    options.pipelines.map(({ name }) => name),
  );
  await registerDocs(app, options.version);

  const { deployment, version, pipelines } = options;
  registerHealthRoutes(app, {
    checks: options.checks,
    nowMs: options.nowMs,
    version: { name: 'headrace', version, deployment, pipelines: pipelines.map(({ name }) => name) },
  });
  // In a scope of its own, because it reads JSON in its own way.
  await app.register(async (scope) => registerEventRoutes(scope as GatewayApp, options));
  registerStatusRoute(app, { ...options, standing });
  registerDecisionRoutes(app, options);
  registerReviewRoutes(app, options);
  registerCodecRoutes(app, { codec: options.codec, origins: options.codecOrigins });

  app.get('/', { schema: { hide: true } }, (_, reply) => reply.redirect('/docs'));
  app.get('/openapi.json', { schema: { hide: true } }, (_, reply) => reply.send(app.swagger()));
  app.get(
    '/metrics',
    { schema: { tags: ['operation'], summary: 'Metrics of all processes, for Prometheus' } },
    async (_, reply) => {
      const merged = await mergeMetrics(options.registry, options.metricsTargets, targetMissing);
      return reply
        .header('content-type', merged.contentType)
        .serializer((text: string) => text)
        .send(await merged.metrics());
    },
  );
  await app.ready();
  return app;
}

async function registerDocs(app: GatewayApp, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Headrace', description: 'Events in, durable decisions out.', version },
      tags: [
        { name: 'events', description: 'Take events into Kafka' },
        { name: 'decisions', description: 'What was decided' },
        { name: 'reviews', description: 'Verdicts of people' },
        { name: 'operation', description: 'Health and metrics' },
        { name: 'codec', description: 'Payloads of Temporal histories' },
      ],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withProblems(jsonSchemaTransformObject(document) as Documented),
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
}

interface Documented {
  paths?: Record<
    string,
    Record<string, { responses?: Record<string, { description?: string; content?: Record<string, unknown> }> }>
  >;
}

/** Says of every operation that its errors are problems, also those that it does not list. */
function withProblems<T extends Documented>(document: T): T {
  for (const operation of Object.values(document.paths ?? {}).flatMap((path) => Object.values(path))) {
    operation.responses = {
      ...operation.responses,
      default: {
        description: 'Any other error',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    };
    for (const [status, response] of Object.entries(operation.responses)) {
      const json = response.content?.['application/json'] as { schema?: { $ref?: string } } | undefined;
      if (status !== '200' && json?.schema?.$ref?.endsWith('/Problem')) response.content = { [problemType]: json };
    }
  }
  return document;
}
