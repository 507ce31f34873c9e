import { z } from 'zod';
import type { GatewayApp } from './app.ts';
import { createReadiness, type Check } from './readiness.ts';

const checkSchema = z.object({ name: z.string(), ready: z.boolean(), latencyMs: z.number(), reason: z.string().optional() });
const readySchema = z.object({ ready: z.boolean(), missing: z.array(z.string()), checks: z.array(checkSchema) }).meta({ id: 'Readiness' });
const versionSchema = z.object({ name: z.string(), version: z.string(), deployment: z.string(), pipelines: z.array(z.string()) }).meta({ id: 'Version' });

/** `/healthz`, `/readyz`, `/version` */
export function registerHealthRoutes(app: GatewayApp, { checks, version }: { checks: Record<string, Check>; version: z.output<typeof versionSchema> }): void {
  const readiness = createReadiness(checks);

  app.get('/healthz', { schema: { tags: ['operation'], summary: 'The process runs', response: { 200: z.object({ status: z.literal('ok') }) } } }, () => ({ status: 'ok' as const }));

  app.get('/readyz', {
    schema: {
      tags: ['operation'], summary: 'Every server we need answers', description: '503 names those that do not.',
      response: { 200: readySchema, 503: readySchema },
    },
    handler: async (_, reply) => {
      const results = await readiness();
      const missing = results.filter(({ ready }) => !ready).map(({ name }) => name);
      return reply.code(missing.length > 0 ? 503 : 200).send({ ready: missing.length === 0, missing, checks: results });
    },
  });

  app.get('/version', { schema: { tags: ['operation'], summary: 'What runs here', response: { 200: versionSchema } } }, () => version);
}
