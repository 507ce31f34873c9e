import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './trial.ts';

/** A PATH with these programs and no others: each is a shell script. */
export function pathWith(programs: Record<string, string>): string {
  const path = temporaryFolder();
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(path, name), 0o755);
  }
  return path;
}

/** A script that prints a text. */
export const prints = (text: string): string =>
  `while IFS= read -r line; do printf '%s\\n' "$line"; done <<'end'\n${text}\nend`;

/** A script that is this machine's Python. */
export function realPython(): string {
  const program = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  return `exec '${program}' "$@"`;
}

/** A local web server that goes with the test. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
