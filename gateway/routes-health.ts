import { z } from 'zod';
import type { GatewayApp } from './app.ts';
import { createReadiness, type Check } from './readiness.ts';

/**
 * What taking events needs. Kafka keeps them until the others are back, so a load balancer must not take the gateway out because a
 * model, Temporal or the database is away.
 */
const neededForEvents: ReadonlySet<string> = new Set(['kafka']);

const checkSchema = z.object({
  name: z.string(),
  needed: z.boolean(),
  ready: z.boolean(),
  latencyMs: z.number(),
  reason: z.string().optional(),
});
const readySchema = z
  .object({
    ready: z.boolean().meta({ description: 'Events are taken.' }),
    missing: z.array(z.string()).meta({ description: 'Servers that taking events needs, and that do not answer.' }),
    degraded: z.array(z.string()).meta({
      description:
        'Other servers that do not answer: events are taken, and are decided, shown or reviewed once they are back.',
    }),
    checks: z.array(checkSchema),
  })
  .meta({ id: 'Readiness' });
const versionSchema = z
  .object({ name: z.string(), version: z.string(), deployment: z.string(), pipelines: z.array(z.string()) })
  .meta({ id: 'Version' });

/** `/healthz`, `/readyz`, `/version` */
export function registerHealthRoutes(
  app: GatewayApp,
  {
    checks,
    nowMs,
    version,
  }: { checks: Record<string, Check>; nowMs?: () => number; version: z.output<typeof versionSchema> },
): void {
  const readiness = createReadiness(checks, { nowMs });

  app.get(
    '/healthz',
    {
      schema: {
        tags: ['operation'],
        summary: 'The process runs',
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    () => ({ status: 'ok' as const }),
  );

  app.get('/readyz', {
    schema: {
      tags: ['operation'],
      summary: 'Events are taken',
      description:
        'For load balancers and readiness probes: 503 while Kafka does not answer. A model, Temporal or a database that is away is named under `degraded`, with 200. For liveness probes there is /healthz.',
      response: { 200: readySchema, 503: readySchema },
    },
    handler: async (_, reply) => {
      const results = (await readiness()).map((result) => ({ ...result, needed: neededForEvents.has(result.name) }));
      const away = results.filter(({ ready }) => !ready);
      const missing = away.filter(({ needed }) => needed).map(({ name }) => name);
      const degraded = away.filter(({ needed }) => !needed).map(({ name }) => name);
      return reply
        .code(missing.length > 0 ? 503 : 200)
        .send({ ready: missing.length === 0, missing, degraded, checks: results });
    },
  });

  app.get(
    '/version',
    { schema: { tags: ['operation'], summary: 'What runs here', response: { 200: versionSchema } } },
    () => version,
  );
}
