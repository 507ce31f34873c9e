import { createWriteStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { runCommand } from './command.ts';
import { UnreachableError } from './unreachable.ts';
import type { OnProgress } from './types.ts';

export interface DownloadTemporalOptions {
  folder: string;
  version: string;
  /** Where releases are described. Tests put a server of their own here. */
  baseUrl?: string;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** What the download service answers for one version and platform. */
interface ReleaseInfo {
  archiveUrl: string;
  fileToExtract: string;
}

/** Without open internet the first request must fail soon, so that building starts. */
const describeTimeoutMs = 5_000;
const archiveTimeoutMs = 10 * 60_000;

async function describeRelease(baseUrl: string, version: string, signal?: AbortSignal): Promise<ReleaseInfo> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const url = `${baseUrl}/cli/v${version}?platform=${platform}&arch=${arch}`;
  const signals = [AbortSignal.timeout(describeTimeoutMs), ...(signal === undefined ? [] : [signal])];
  const response = await fetch(url, { signal: AbortSignal.any(signals) }).catch((error: unknown) => {
    throw new UnreachableError(`${baseUrl} does not answer`, { cause: error });
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const info = (await response.json()) as Partial<ReleaseInfo>;
  if (
    typeof info.archiveUrl !== 'string' ||
    typeof info.fileToExtract !== 'string' ||
    /[/\\]/.test(info.fileToExtract)
  ) {
    throw new Error(`${url} did not describe a release`);
  }
  return { archiveUrl: info.archiveUrl, fileToExtract: info.fileToExtract };
}

/** Downloads a release archive and unpacks the program into the folder. Rejects within seconds when there is no way out. */
export async function downloadTemporal({
  folder,
  version,
  baseUrl = 'https://temporal.download',
  onProgress,
  signal,
}: DownloadTemporalOptions): Promise<void> {
  const startedAt = Date.now();
  const info = await describeRelease(baseUrl, version, signal);
  const signals = [AbortSignal.timeout(archiveTimeoutMs), ...(signal === undefined ? [] : [signal])];
  const response = await fetch(info.archiveUrl, { signal: AbortSignal.any(signals) });
  if (!response.ok || response.body === null) throw new Error(`${info.archiveUrl} answered ${response.status}`);
  const length = Number(response.headers.get('content-length') ?? 0);
  const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;
  let received = 0;
  let reportedAt = 0;
  const archive = join(folder, 'archive.tar.gz');
  await pipeline(
    Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
    async function* count(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        received += chunk.length;
        if (Date.now() - reportedAt >= 1_000) {
          reportedAt = Date.now();
          onProgress?.({
            server: 'temporal',
            what: 'downloading the Temporal server',
            done: megabytes(received),
            total: length > 0 ? megabytes(length) : undefined,
            unit: 'MB',
            elapsedMs: Date.now() - startedAt,
          });
        }
        yield chunk;
      }
    },
    createWriteStream(archive),
  );
  await runCommand({ command: 'tar', args: ['-xf', archive, '-C', folder, info.fileToExtract], timeoutMs: 60_000 });
  rmSync(archive);
}
