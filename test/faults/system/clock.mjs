/**
 * Loaded into a bridge or worker before anything else: its wall clock is ahead of the machine's by as many milliseconds as the file
 * `clock-<pid>` in its data folder says. Timers and `performance.now` go on as they do when a real clock is set.
 */
import { readFileSync } from 'node:fs';

const lookEveryMs = 100;
const file = `${process.env['HEADRACE_DATA_DIR']}/clock-${process.pid}`;
const RealDate = Date;
const realNow = Date.now;
let aheadMs = 0;
let lookedMs = -Infinity;

function now() {
  if (performance.now() - lookedMs > lookEveryMs) {
    lookedMs = performance.now();
    const before = aheadMs;
    aheadMs = read();
    if (aheadMs !== before) process.stderr.write(`clock stepped by ${aheadMs - before} ms\n`);
  }
  return realNow() + aheadMs;
}

function read() {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

RealDate.now = now;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new RealDate(now()).toString(),
});
RealDate.prototype.constructor = globalThis.Date;
