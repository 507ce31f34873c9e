import { z } from 'zod';
import { isLoopback, readHostPort } from '../../lib/host-port.ts';
import { proxyVariablesOf } from '../../lib/proxies.ts';
import { settings, type Setting } from './settings.ts';

export { isLoopback };

type Values<T> = { readonly [K in keyof T]: T[K] extends Setting<infer S> ? z.output<S> : Values<T[K]> };

type SettingValues = Values<typeof settings>;

/** The configuration of a process: one value for every entry of `settings`, with the same nesting. */
export type Config = Omit<SettingValues, 'temporal'> & {
  readonly temporal: SettingValues['temporal'] & { readonly taskQueue: string };
  /** Names of the proxy variables in the environment, for messages: they are not used. */
  readonly proxyVariables: readonly string[];
};

/** Every problem of a configuration at once, each naming its variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`the configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/** One row of the configuration table. */
export interface SettingRow {
  env: string;
  help: string;
  default: unknown;
  secret: boolean;
}

/**
 * Reads a configuration from environment variables. An empty variable counts as unset, and what `cleanSettings` cuts off does not belong
 * to a value. Throws a ConfigError that lists every problem.
 */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const env = { ...environment, ...cleanSettings(environment) };
  const values = readGroup(settings, env, problems) as SettingValues;
  if (problems.length > 0) throw new ConfigError(problems);
  const { deployment, temporal } = values;
  // Deployments may share a namespace: what one starts is not for the workers of another.
  const config = {
    ...values,
    temporal: { ...temporal, taskQueue: temporal.taskQueue ?? `headrace-${deployment}` },
    proxyVariables: proxyVariablesOf(env),
  };
  problems.push(...crossProblems(config));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/**
 * The settings of an environment that have something around them which does not belong to them, without it: the line end that a file with
 * CRLF or a secret made with `echo` leaves, and blanks around what is no secret.
 */
export function cleanSettings(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const cleaned: Record<string, string> = {};
  for (const { env: name, secret } of settingRows()) {
    const value = env[name];
    const clean = secret ? value?.replace(/^[\r\n]+|[\r\n]+$/g, '') : value?.trim();
    if (clean !== undefined && clean !== value) cleaned[name] = clean;
  }
  return cleaned;
}

/** The settings in order, for docs/configuration.md, .env.example and tests. */
export function settingRows(): SettingRow[] {
  const rows: SettingRow[] = [];
  const visit = (group: object) => {
    for (const entry of Object.values(group) as (Setting<z.ZodType> | object)[]) {
      if (!isSetting(entry)) visit(entry);
      else
        rows.push({
          env: entry.env,
          help: entry.help,
          default: entry.schema.safeParse(undefined).data,
          secret: entry.secret === true,
        });
    }
  };
  visit(settings);
  return rows;
}

function readGroup(group: object, env: Readonly<Record<string, string | undefined>>, problems: string[]): object {
  return Object.fromEntries(
    Object.entries(group).map(([name, entry]: [string, Setting<z.ZodType> | object]) => {
      if (!isSetting(entry)) return [name, readGroup(entry, env, problems)];
      const result = entry.schema.safeParse(env[entry.env] || undefined);
      if (!result.success)
        problems.push(`${entry.env}: ${result.error.issues.map((issue) => issue.message).join('; ')}`);
      return [name, result.data];
    }),
  );
}

function crossProblems({ kafka, temporal, metrics }: Config): string[] {
  const problems: string[] = [];
  const remoteBroker = kafka.brokers.find((broker) => !isLoopback(broker));
  for (const [env, addresses] of [
    ['KAFKA_BROKERS', kafka.brokers],
    ['HEADRACE_METRICS_TARGETS', metrics.targets],
  ] as const) {
    if (addresses.some((address) => readHostPort(address) === undefined))
      problems.push(`${env}: each must look like host:port, with an IPv6 address in brackets`);
  }
  if (kafka.saslMechanism && !(kafka.saslUsername && kafka.saslPassword)) {
    problems.push('KAFKA_SASL_MECHANISM: needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD');
  }
  if (!kafka.saslMechanism && (kafka.saslUsername || kafka.saslPassword)) {
    problems.push('KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD have no effect without KAFKA_SASL_MECHANISM');
  }
  if (kafka.saslMechanism && !kafka.tls && remoteBroker) {
    problems.push(`KAFKA_TLS: must be true, or the SASL password would travel in clear to ${remoteBroker}`);
  }
  if (!kafka.tls && (kafka.tlsCaFile || kafka.tlsCertFile || kafka.tlsKeyFile)) {
    problems.push(
      'KAFKA_TLS_CA_FILE, KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE have no effect without KAFKA_TLS=true',
    );
  }
  if (Boolean(kafka.tlsCertFile) !== Boolean(kafka.tlsKeyFile))
    problems.push('KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE go together');
  if (Boolean(temporal.tlsCertFile) !== Boolean(temporal.tlsKeyFile)) {
    problems.push('TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH go together');
  }
  return problems;
}

function isSetting(entry: object): entry is Setting<z.ZodType> {
  return 'env' in entry && 'schema' in entry;
}
