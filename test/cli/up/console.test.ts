import { describe, expect, it } from 'vitest';
import { Console } from '../../../cli/up/console.ts';

function consoleOf(columns: number | undefined) {
  let written = '';
  let nowMs = 0;
  const console = new Console({ write: (text) => void (written += text), columns: () => columns }, () => nowMs);
  return {
    console,
    advance: (ms: number) => void (nowMs += ms),
    take: () => {
      const text = written;
      written = '';
      return text;
    },
  };
}

describe('the console without a terminal', () => {
  it('prints a changing line at once and then every ten seconds', () => {
    const { console, advance, take } = consoleOf(undefined);
    console.status('live', 'a');
    console.status('live', 'b');
    advance(9_999);
    console.status('live', 'c');
    advance(1);
    console.status('live', 'd');
    console.line('event');
    expect(take()).toBe('a\nd\nevent\n');
  });

  it('prints a line again that was cleared meanwhile', () => {
    const { console, take } = consoleOf(undefined);
    console.status('kafka', 'starting');
    console.clear('kafka');
    console.status('kafka', 'starting');
    expect(take()).toBe('starting\nstarting\n');
  });
});

/** The lines that a terminal would show: knows only the sequences that the console uses. */
function screenOf(first: string, second: () => string): string[] {
  const lines = [''];
  let [row, column] = [0, 0];
  for (const [, up, control, text] of (first + second())
    .replaceAll('\u001b', '␛')
    .matchAll(/␛\[(\d+)A|(␛\[J|\r|\n)|([^␛\r\n]+)/g)) {
    if (up !== undefined) row -= Number(up);
    else if (control === '\r') column = 0;
    else if (control === '\n') [row, column] = [row + 1, 0];
    else if (text === undefined) {
      lines[row] = lines[row]!.slice(0, column);
      lines.length = row + 1;
    } else {
      lines[row] = lines[row]!.slice(0, column).padEnd(column) + text + lines[row]!.slice(column + text.length);
      column += text.length;
    }
    lines[row] ??= '';
  }
  return lines;
}

describe('the console on a terminal', () => {
  it('redraws its changing lines below those that stay', () => {
    const { console, take } = consoleOf(80);
    console.status('a', 'first');
    console.status('b', 'second');
    take();
    console.line('stays');
    expect(take()).toBe('\u001b[2A\r\u001b[Jstays\nfirst\nsecond\n');
    console.clear('a');
    expect(take()).toBe('\u001b[2A\r\u001b[Jsecond\n');
  });

  it('leaves nothing of its lines, nor of what the terminal echoes at a Ctrl+C', () => {
    const { console, take } = consoleOf(80);
    console.status('live', '50 events/s');
    const shown = screenOf(`${take()}^C`, () => {
      console.clearAll();
      console.line('stopping');
      return take();
    });
    expect(shown).toEqual(['stopping', '']);
  });

  it('breaks a line that would wrap between its parts, and redraws all of it', () => {
    const { console, take } = consoleOf(20);
    console.status('live', '50 events/s | lag 0 | approve 12 | late 0');
    expect(take()).toBe('\r\u001b[J50 events/s | lag 0\napprove 12 | late 0\n');
    console.status('live', 'x');
    expect(take()).toBe('\u001b[2A\r\u001b[Jx\n');
  });

  it('cuts a part that would wrap', () => {
    const { console, take } = consoleOf(10);
    console.status('a', '0123456789');
    expect(take()).toBe('\r\u001b[J01234567…\n');
  });
});
