import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Breaker, createBreaker, type Permit } from '../../inference-client/index.ts';

function setUp(probeMs?: number): { breaker: Breaker; pass: (ms: number) => void; permit: () => Permit } {
  let clockMs = 0;
  const breaker = createBreaker({
    failuresMax: 3,
    openMs: 100,
    ...(probeMs !== undefined && { probeMs }),
    nowMs: () => clockMs,
  });
  return {
    breaker,
    pass: (ms) => {
      clockMs += ms;
    },
    permit: () => {
      const answer = breaker.acquire();
      if ('retryAfterMs' in answer) throw new Error(`refused for ${answer.retryAfterMs} ms`);
      return answer;
    },
  };
}

describe('breaker', () => {
  it('opens after failures in a row; a success between them starts the count again', () => {
    const { breaker, permit } = setUp();
    permit().failed();
    permit().failed();
    permit().succeeded();
    permit().failed();
    permit().failed();
    permit().abstained();
    expect(breaker.state).toBe('closed');
    permit().failed();
    expect(breaker.state).toBe('open');
  });

  it('refuses while open and says for how long', () => {
    const { breaker, permit, pass } = setUp();
    for (let count = 0; count < 3; count++) permit().failed();
    expect(breaker.acquire()).toEqual({ retryAfterMs: 100 });
    pass(99);
    expect(breaker.acquire()).toEqual({ retryAfterMs: 1 });
    expect(breaker.state).toBe('open');
  });

  it('lets one probe through, which closes it or opens it for another period', () => {
    const { breaker, permit, pass } = setUp();
    for (let count = 0; count < 3; count++) permit().failed();
    pass(100);
    const probe = permit();
    expect(breaker.state).toBe('half-open');
    expect(breaker.acquire()).toEqual({ retryAfterMs: 0 });
    probe.failed();
    expect(breaker.acquire()).toEqual({ retryAfterMs: 100 });
    pass(100);
    permit().succeeded();
    expect(breaker.state).toBe('closed');
    permit().failed();
    expect(breaker.state).toBe('closed');
  });

  it('lets the next call be the probe when one was given up', () => {
    const { breaker, permit, pass } = setUp();
    for (let count = 0; count < 3; count++) permit().failed();
    pass(100);
    permit().abstained();
    expect(breaker.state).toBe('open');
    permit().succeeded();
    expect(breaker.state).toBe('closed');
  });

  it('does not let a late report of an earlier call decide', () => {
    const { breaker, permit, pass } = setUp();
    const late = permit();
    const later = permit();
    for (let count = 0; count < 3; count++) permit().failed();
    late.succeeded();
    expect(breaker.state).toBe('open');
    pass(100);
    const probe = permit();
    later.succeeded();
    late.failed();
    expect(breaker.state).toBe('half-open');
    probe.succeeded();
    expect(breaker.state).toBe('closed');
  });

  it('lets another probe through beside one that has not reported for too long', () => {
    const { breaker, permit, pass } = setUp(50);
    for (let count = 0; count < 3; count++) permit().failed();
    pass(100);
    permit();
    pass(49);
    expect(breaker.acquire()).toEqual({ retryAfterMs: 0 });
    pass(1);
    const second = permit();
    expect(breaker.acquire()).toEqual({ retryAfterMs: 0 });
    second.succeeded();
    expect(breaker.state).toBe('closed');
  });

  it('takes the outcome of a call that was made without asking it', () => {
    const { breaker, permit, pass } = setUp();
    for (let count = 0; count < 3; count++) breaker.observe().failed();
    expect([breaker.state, breaker.failuresInRow]).toEqual(['open', 3]);
    pass(60);
    breaker.observe().failed();
    expect(breaker.acquire()).toEqual({ retryAfterMs: 100 });
    breaker.observe().succeeded();
    expect([breaker.state, breaker.failuresInRow]).toEqual(['closed', 0]);
    permit().succeeded();
  });

  it('never has two probes out, and always lets a call through after a period of silence', () => {
    const action = fc.constantFrom('acquire', 'succeed', 'fail', 'abstain', 'wait');
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const { breaker, pass } = setUp();
        let open: Permit[] = [];
        for (const each of actions) {
          if (each === 'wait') pass(40);
          else if (each === 'acquire') {
            const wasHalfOpen = breaker.state === 'half-open';
            const answer = breaker.acquire();
            expect('retryAfterMs' in answer || !wasHalfOpen).toBe(true);
            if (!('retryAfterMs' in answer)) open.push(answer);
          } else {
            const permit = open.shift();
            if (each === 'succeed') permit?.succeeded();
            if (each === 'fail') permit?.failed();
            if (each === 'abstain') permit?.abstained();
          }
        }
        for (const permit of open) permit.failed();
        open = [];
        pass(100);
        expect(breaker.acquire()).not.toHaveProperty('retryAfterMs');
      }),
    );
  });
});
