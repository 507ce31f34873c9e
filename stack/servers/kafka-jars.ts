import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheEntry } from './cache.ts';
import { CommandError, runCommand } from './command.ts';
import type { PrepareOptions } from './types.ts';
import { UnreachableError } from './unreachable.ts';
import versions from './versions.json' with { type: 'json' };

/** Of the binding that joins Kafka's slf4j 1.7 to the log4j 2 that it ships: the latest of those that serve every Kafka 4. */
const log4jVersion = versions.log4j;

/** An otherwise empty Maven project whose dependencies are the server's class path. */
const projectOf = (kafkaVersion: string): string => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>headrace</groupId>
  <artifactId>kafka-class-path</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${log4jVersion}</version></dependency>
  </dependencies>
</project>
`;

/** By its full name: to find it by its prefix, Maven fetches every plug-in of a usual build first, 70 files more. */
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
const mavenTimeoutMs = 10 * 60_000;
/** Files that Maven fetches into an empty local repository: plug-ins, descriptions and 46 jars. */
const filesExpected = 341;
const jarsExpected = 46;
const expectedMs = 15_000;
/** What Maven says of a repository that does not answer. */
const unreachable =
  /Could not transfer .*(transfer failed for \S+(?= -> |$)|unknown host|name resolution|name or service not known|refused|timed out|unreachable|no route to host)/i;

async function fill(folder: string, kafkaVersion: string, { onProgress, signal }: PrepareOptions): Promise<void> {
  const startedAt = Date.now();
  let files = 0;
  let copied = 0;
  let isUnreachable = false;
  const report = (): void => {
    const step = { server: 'kafka', elapsedMs: Date.now() - startedAt, expectedMs } as const;
    if (copied > 0)
      onProgress?.({
        ...step,
        what: `putting Apache Kafka ${kafkaVersion} in place`,
        done: copied,
        total: Math.max(copied, jarsExpected),
        unit: 'files',
      });
    else if (files > 0)
      onProgress?.({
        ...step,
        what: `downloading Apache Kafka ${kafkaVersion} with Maven`,
        done: files,
        total: Math.max(files, filesExpected),
        unit: 'files',
      });
    else onProgress?.({ ...step, what: `starting Maven, which fetches Apache Kafka ${kafkaVersion}` });
  };
  const work = join(folder, 'maven');
  mkdirSync(work);
  writeFileSync(join(work, 'pom.xml'), projectOf(kafkaVersion));
  report();
  const timer = setInterval(report, 1_000);
  try {
    await runCommand({
      command: process.platform === 'win32' ? 'mvn.cmd' : 'mvn',
      args: ['-B', copyDependencies, `-DoutputDirectory=${join(folder, 'lib')}`],
      timeoutMs: mavenTimeoutMs,
      cwd: work,
      signal,
      onLine: (line) => {
        if (line.includes('Downloaded from')) files += 1;
        isUnreachable ||= unreachable.test(line);
        if (/\bCopying \S+\.jar to\b/.test(line)) copied += 1;
      },
    });
  } catch (error) {
    if (error instanceof CommandError && error.missing) {
      throw new Error(
        'Kafka comes from Maven Central and mvn is not installed: install Maven, or set KAFKA_BROKERS to a Kafka of your own',
        { cause: error },
      );
    }
    if (isUnreachable) {
      throw new UnreachableError(
        'Kafka cannot be fetched because Maven does not reach its repository: connect this machine, or name a mirror or proxy in the settings.xml of Maven, or set KAFKA_BROKERS to a Kafka of your own',
        { cause: error },
      );
    }
    throw error;
  } finally {
    clearInterval(timer);
  }
  rmSync(work, { recursive: true, force: true });
  if (!readdirSync(join(folder, 'lib')).includes(`kafka_2.13-${kafkaVersion}.jar`)) {
    throw new Error(`Maven ended well but left no kafka_2.13-${kafkaVersion}.jar`);
  }
}

export interface PrepareKafkaOptions extends PrepareOptions {
  /** Release of Apache Kafka. @default the one that `npm start` runs */
  version?: string;
}

/** Folder of the server's jars, fetched once per machine (10 s, 46 MB). */
export async function prepareKafka({ version = versions.kafka, ...options }: PrepareKafkaOptions): Promise<string> {
  const entry = await cacheEntry({
    cacheDir: options.cacheDir,
    server: 'kafka',
    entry: `kafka-${version}`,
    onProgress: options.onProgress,
    fill: (folder) => fill(folder, version, options),
  });
  return join(entry, 'lib');
}
