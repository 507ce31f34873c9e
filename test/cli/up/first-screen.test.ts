import { describe, expect, it } from 'vitest';
import { Console } from '../../../cli/up/console.ts';
import { firstScreen } from '../../../cli/up/first-screen.ts';
import { EventTeller } from '../../../cli/up/tell.ts';
import type { Endpoints } from '../../../stack/supervisor/index.ts';

const endpoints = {
  dataDir: '/d',
  temporal: { address: '127.0.0.1:7233', namespace: 'headrace', uiUrl: 'http://127.0.0.1:8233', embedded: true },
  kafka: { brokers: ['127.0.0.1:9092'], embedded: true },
  database: { url: 'postgresql://me:secret@127.0.0.1:5432/db', embedded: true },
  triton: { url: '127.0.0.1:8001', embedded: true },
  gateway: { url: 'http://127.0.0.1:8000', docsUrl: 'http://127.0.0.1:8000/docs' },
  lake: { dir: '/d/lake' },
  pipelines: [{ name: 'fraud', topic: 'transactions' }],
} as unknown as Endpoints;
const facts = { logsDir: '/d/logs', simulatedRate: 50, eventsFile: undefined, dataDir: undefined };

describe('the screen once everything is up', () => {
  it('says what there is to see, where, and three commands, and fits a terminal', () => {
    const lines = firstScreen(endpoints, facts);
    expect(lines[0]).toBe(
      'Simulated events, 50 a second, go through the pipeline fraud; the line at the bottom counts what becomes of them.',
    );
    expect(lines).toContain('Where to look:');
    expect(lines.slice(-5)).toEqual([
      'What to try, in a second terminal:',
      '  npx headrace status                       what stands and why',
      '  npx headrace status --verify              whether any record is missing',
      '  curl -s http://127.0.0.1:8000/v1/reviews  decisions that wait for a person',
      '',
    ]);
    expect(lines.length).toBeLessThan(24);
    expect(lines.join('\n')).not.toContain('secret');
  });

  it('speaks of a file, of events that are waited for, and of another data folder', () => {
    expect(firstScreen(endpoints, { ...facts, eventsFile: 'my.jsonl', simulatedRate: undefined })[0]).toMatch(
      /^The events of my\.jsonl go through the pipeline fraud;/,
    );
    const own = {
      ...endpoints,
      pipelines: [
        { name: 'a', topic: 'a' },
        { name: 'b', topic: 'b' },
      ],
    };
    const lines = firstScreen(own, { ...facts, simulatedRate: undefined, dataDir: 'my data' });
    expect(lines[0]).toBe(
      'Nothing produces events: the pipelines a, b wait for what you send to http://127.0.0.1:8000/v1/pipelines/a/events.',
    );
    expect(lines.join('\n')).toContain("npx headrace status --data-dir 'my data' ");
  });
});

describe('while it starts', () => {
  it('each server that is waited for is named, with seconds', () => {
    let now = 0;
    let text = '';
    const teller = new EventTeller(new Console({ write: (more) => void (text += more), columns: () => 80 }), () => now);
    teller.tell({ type: 'starting', service: 'kafka' });
    teller.tell({ type: 'starting', service: 'temporal' });
    now = 3_000;
    teller.renew();
    expect(text).toContain('kafka: starting, waited 3 s\n');
    expect(text).toContain('temporal: starting, waited 3 s\n');
    teller.tell({ type: 'ready', service: 'kafka', tookMs: 3_100 });
    expect(text).toContain('kafka: ready in 3.1 s\n');
    text = '';
    teller.renew();
    expect(text).not.toContain('kafka');
    teller.tell({ type: 'finished', service: 'temporal' });
    text = '';
    teller.renew();
    expect(text).toBe('');
  });
});
