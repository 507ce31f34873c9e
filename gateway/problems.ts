import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { Problem } from '../lib/problem.ts';

/** The media type of problems. */
export const problemType = 'application/problem+json';
const instanceCharsMax = 1_000;

/** A problem in OpenAPI. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    instance: z.string().optional(),
    errors: z
      .array(
        z.looseObject({
          index: z.number().optional(),
          at: z.string().optional(),
          code: z.string().optional(),
          reason: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

/** Returns every error, and every unknown route, as a problem. Whatever we did not foresee is logged and returned without any detail. */
export function registerProblems(app: FastifyInstance): void {
  const methodsOf = collectMethods(app);
  app.setErrorHandler((error: FastifyError | Problem, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) request.log.error({ err: error, route: request.routeOptions.url }, problem.title);
    return sendProblem(problem, request, reply);
  });
  // Before a body is read that nobody wants.
  app.addHook('onRequest', async (request) => {
    if (request.is404) throw notFound(request, methodsOf(pathOf(request)));
  });
  // Where a route sends what it does not find.
  app.setNotFoundHandler((request, reply) => sendProblem(notFound(request, []), request, reply));
}

function notFound({ method }: FastifyRequest, allowed: readonly string[]): Problem {
  // A file of the documentation that is not there has a route all the same.
  if (allowed.length === 0 || allowed.includes(method))
    return new Problem(404, 'not-found', 'Not found', `nothing answers ${method} here; see /docs`);
  return new Problem(405, 'method', 'Method not allowed', `${method} means nothing here; use ${allowed.join(' or ')}`, {
    headers: { allow: allowed.join(', ') },
  });
}

/** The methods that a path takes, by the routes that are added from now on. */
function collectMethods(app: FastifyInstance): (path: string) => string[] {
  const routes: { pattern: RegExp; methods: string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = url
      .replace(/[.+?^$()[\]{}|\\]/g, '\\$&')
      .replace(/:\w+/g, '[^/]+')
      .replace(/\*$/, '.*');
    routes.push({ pattern: new RegExp(`^${pattern}$`), methods: [method].flat() });
  });
  return (path) => [...new Set(routes.flatMap(({ pattern, methods }) => (pattern.test(path) ? methods : [])))].sort();
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!;
}

/** Sends what was thrown before a route was found, too. */
export function sendError(error: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply) {
  return sendProblem(problemOf(error), request, reply);
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply) {
  const { retryAfterSeconds, headers = {} } = problem.more;
  if (retryAfterSeconds !== undefined) void reply.header('retry-after', retryAfterSeconds);
  // The body is serialised here: a route's response schema describes it, but must not stand between a problem and its answer.
  return reply
    .code(problem.status)
    .headers({ ...headers, 'content-type': problemType })
    .serializer((body: string) => body)
    .send(problemJson(problem, pathOf(request).slice(0, instanceCharsMax)));
}

/** The problem as it is sent. */
export function problemJson(
  { status, kind, title, detail, more: { errors, decided } }: Problem,
  instance?: string,
): string {
  return JSON.stringify({ type: `urn:headrace:problem:${kind}`, title, status, detail, instance, errors, decided });
}

function problemOf(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map(({ instancePath, message }) => ({
      at: `${error.validationContext ?? 'request'}${instancePath.replaceAll('/', '.')}`,
      reason: message ?? 'not accepted',
    }));
    return new Problem(
      400,
      'invalid-request',
      'The request cannot be used',
      errors.map(({ at, reason }) => `${at}: ${reason}`).join('; '),
      { errors },
    );
  }
  // Also of a client that went away: its broken connection is none of ours.
  const status = error.statusCode ?? 500;
  if (status === 414)
    return new Problem(414, 'too-long', 'The address is too long', 'no part of a path of ours is so long');
  if (status === 413) return new Problem(413, 'too-large', 'The request is too large', error.message);
  if (status === 415)
    return new Problem(
      415,
      'invalid-request',
      'The request cannot be used',
      'the body must be JSON, with the header content-type: application/json',
    );
  if (status >= 400 && status < 500)
    return new Problem(status, 'invalid-request', 'The request cannot be used', error.message);
  if (isUnavailable(error)) {
    return new Problem(
      503,
      'unavailable',
      'A server that we need does not answer',
      '/readyz says which one; send the request again',
      { retryAfterSeconds: 1 },
    );
  }
  return new Problem(
    500,
    'internal',
    'Something went wrong on our side',
    'the log of the gateway says what; sending the request again may work',
  );
}

/** Sockets that break or cannot be opened, SQLSTATE classes 08, 53 and 57 (connection, resources, operator), and pg's own time-outs. */
function isUnavailable({ code = '', message }: { code?: string; message: string }): boolean {
  return (
    /^(ECONN|ETIMEDOUT|EPIPE|EHOST|ENET|EAI_|ENOTFOUND|(08|53|57)[0-9A-Z]{3}$)/.test(code) ||
    /^(timeout exceeded when trying to connect|Connection terminated|Query read timeout)/.test(message)
  );
}
