import type { FastifyRequest } from 'fastify';
import type { GatewayApp } from './app.ts';
import { Problem } from '../lib/problem.ts';
import { isJsonType, mediaTypeOf, readBody, unreadableType } from './read-body.ts';

/** Reads the JSON bodies of all routes but those that have a reader of their own. Every other type is refused by name. */
export function registerJsonBodies(app: GatewayApp): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (request: FastifyRequest, raw: Buffer) => {
    if (!isJsonType(mediaTypeOf(request).name)) throw unreadableType(request, ['application/json']);
    const text = (await readBody(request, raw, request.routeOptions.bodyLimit)).toString();
    return await new Promise<unknown>((resolve, reject) => {
      void parse(request, text, (error, body) =>
        error ? reject(new Problem(400, 'not-json', 'The body is no JSON', error.message)) : resolve(body),
      );
    });
  });
}
