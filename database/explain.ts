import { DatabaseError } from 'pg';
import { messageOf } from '../contracts/failures.ts';

/** What to do about what Postgres answers at the start, by its code. */
const fixes: Record<string, string> = {
  '28P01': 'user or password is wrong',
  '28000':
    'pg_hba.conf of the server lets this user in from here in another way, or not at all; where it asks for TLS, add ?sslmode=verify-full',
  '3D000': 'make it: createdb --encoding=UTF8 --template=template0 <name>',
  '53300': 'raise max_connections of the server, use a pooler such as PgBouncer, or lower HEADRACE_DATABASE_POOL_MAX',
  '57P03': 'the server is starting or stopping',
  '42501': 'grant the role the right',
};

/** The same for what happens on the way, by Node's code. */
const wayFixes: Record<string, string> = Object.fromEntries([
  ...[
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_GET_ISSUER_CERT',
  ].map(
    (code) =>
      [
        code,
        'name the authority with sslrootcert=FILE; sslmode=no-verify takes any certificate, as psql does with sslmode=require',
      ] as const,
  ),
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'the certificate is for another host name'],
  ['CERT_HAS_EXPIRED', 'renew the certificate of the server'],
]);

/** A reason with what to do about it, in one line. Never holds the password. */
export function explainDatabaseError(error: unknown): string {
  // Node reports a host that is refused on several addresses as an error without a message of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  const message = messageOf(error);
  const code = (error as { code?: unknown } | undefined)?.code;
  const fix = typeof code === 'string' ? (error instanceof DatabaseError ? fixes[code] : wayFixes[code]) : undefined;
  if (message === 'The server does not support SSL connections')
    return `${message}; leave sslmode out of the address and PGSSLMODE out of the environment, or switch TLS on at the server`;
  return fix === undefined ? message : `${message}; ${fix}`;
}
