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

describe('the console on a terminal', () => {
  it('redraws its changing lines below those that stay', () => {
    const { console, take } = consoleOf(80);
    console.status('a', 'first');
    console.status('b', 'second');
    take();
    console.line('stays');
    expect(take()).toBe('\u001b[2A\u001b[Jstays\nfirst\nsecond\n');
    console.clear('a');
    expect(take()).toBe('\u001b[2A\u001b[Jsecond\n');
  });

  it('cuts a line that would wrap', () => {
    const { console, take } = consoleOf(10);
    console.status('a', '0123456789');
    expect(take()).toBe('01234567…\n');
  });
});
