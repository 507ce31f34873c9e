/** What values of settings may look like. */
import { z } from 'zod';
import { readHostPort } from '../../lib/host-port.ts';

export const text = z.string();
/** Kubernetes sets `<NAME>_PORT=tcp://...` for every Service in reach, also for one that is named like a process of ours. */
export const port = z
  .string()
  .refine((value) => !value.includes('://'), {
    error:
      'must be a number; this one is what Kubernetes sets for a Service of that name: set enableServiceLinks: false in the pod, or the port itself',
    abort: true,
  })
  .pipe(z.coerce.number<string>({ error: 'must be a whole number from 0 to 65535' }).int().min(0).max(65_535));
export const list = z
  .string()
  .transform((value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
  )
  .refine((items) => items.length > 0, 'has nothing between its commas');
export const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', 'false', '1', '0', 'yes', 'no']))
  .transform((value) => ['true', '1', 'yes'].includes(value));
export const address = z
  .string()
  .refine(
    (value) => readHostPort(value) !== undefined,
    'must look like host:port, with an IPv6 address in brackets: [::1]:7233',
  );
/** To listen on. */
export const host = z.string().transform((value) => value.replace(/^\[(.*)\]$/, '$1'));
export const webUrl = z
  .string()
  .refine((value) => URL.canParse(value) && /^https?:/.test(value), 'must look like http://host:port');
export const tritonUrl = z
  .string()
  .refine(
    (value) => readHostPort(value.replace(/^grpcs?:\/\//, '')) !== undefined,
    'must look like host:port, with an IPv6 address in brackets: [::1]:8001',
  );
export const fileUrl = z
  .string()
  .refine(isFileUrl, 'must look like file:///folder, with %20 for a blank, %23 for # and %3F for ?');

/** What Node turns into the path of a folder, all of it: behind `#` and `?` it would drop the rest. */
function isFileUrl(value: string): boolean {
  try {
    const { protocol, hostname, pathname } = new URL(value);
    const path = decodeURIComponent(pathname);

    return (
      protocol === 'file:' &&
      ['', 'localhost'].includes(hostname) &&
      !/[#?]/.test(value) &&
      !/%2f|%5c/i.test(pathname) &&
      // oxlint-disable-next-line no-control-regex -- these are meant
      !/[\u0000-\u001f]/.test(path)
    );
  } catch {
    return false;
  }
}
/** `Date` takes February 30 for March 1. */
export function isTime(value: string): boolean {
  const day = value.slice(0, 10);
  const dayMs = Date.parse(day);
  return !Number.isNaN(Date.parse(value)) && new Date(dayMs).toISOString().startsWith(day);
}

/** In any case, as Kafka's own settings spell them in capitals. */
export const saslMechanism = z
  .string()
  .toLowerCase()
  .pipe(
    z.enum(['plain', 'scram-sha-256', 'scram-sha-512'], {
      error:
        'is none of plain, scram-sha-256, scram-sha-512; where brokers offer only OAUTHBEARER, AWS_MSK_IAM or GSSAPI (Kerberos), add a SCRAM listener or use a client certificate',
    }),
  );

export function whole(min: number, max: number) {
  return z.coerce.number().int().min(min).max(max);
}

/** `auto`, or milliseconds. */
export const lingerMs = z.union([z.literal('auto'), whole(0, 10_000)], {
  error: 'must be auto or a whole number from 0 to 10000',
});

export const mib = 1024 * 1024;
