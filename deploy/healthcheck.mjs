// Health check of a container: exit code 0 when the address answers. Node, because the image has no curl.
const timeoutMs = 3_000;
const [url] = process.argv.slice(2);

try {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`answers ${response.status}`);
} catch (error) {
  process.stderr.write(`${url}: ${error.message}\n`);
  process.exit(1);
}
