import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { searchAttributes } from '../../contracts/names.ts';
import { findAuditBreak } from '../reviews/audit-break.ts';
import { review, reviewStateQuery, verdictSignal, verdictUpdate } from '../../workflows/review.ts';
import { reviewInput, startReviewRig, workflowsPath, type ReviewRig } from './review-rig.ts';

describe('review', () => {
  let rig: ReviewRig;
  beforeAll(async () => {
    rig = await startReviewRig();
  }, 180_000);
  afterAll(() => rig?.close(), 60_000);

  const run = (id: string) => rig.client.workflow.getHandle<typeof review>(id);
  const row = async (id: string) =>
    (await rig.pool.query('select * from reviews where id = $1', [id])).rows[0] as Record<string, unknown> | undefined;
  const audit = async (id: string) =>
    (
      await rig.pool.query('select step, action, actor, detail from review_audit where review_id = $1 order by step', [
        id,
      ])
    ).rows;
  const update = (id: string, verdict: string, reviewer: string, verdictId?: string) =>
    run(id).executeUpdate(verdictUpdate, { args: [{ verdict, reviewer, id: verdictId }] });
  const applied = (id: string) => expect.poll(() => row(id), { timeout: 10_000 }).toBeDefined();
  /** The failure that the update answered with. */
  const failureOf = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
    return (error as WorkflowUpdateFailedError).cause as ApplicationFailure;
  };

  it('is open in the projection, then decided by an update that answers who and when', async () => {
    const id = await rig.start(reviewInput(1));
    await applied(id);
    expect(await row(id)).toMatchObject({
      status: 'open',
      step: 1,
      title: 'Order of 12.50 | at\nshop 9',
      verdict: null,
    });
    expect(await run(id).query(reviewStateQuery)).toMatchObject({ status: 'open' });
    const accepted = await run(id).executeUpdate(verdictUpdate, {
      args: [{ id: 'v1', verdict: 'fraud', reviewer: 'Ann', comment: 'odd\u0000shop' }],
    });
    expect(accepted).toMatchObject({ id: 'v1', verdict: 'fraud', reviewer: 'Ann' });
    const state = await run(id).result();
    expect(state).toMatchObject({ status: 'decided', accepted });
    expect(await row(id)).toMatchObject({
      status: 'decided',
      step: 2,
      verdict: 'fraud',
      reviewer: 'Ann',
      comment: 'odd\uFFFDshop',
      decided_at: new Date(accepted.decidedAtMs),
      escalated_at: null,
    });
    expect(await audit(id)).toMatchObject([
      { step: 1, action: 'opened', actor: 'headrace' },
      { step: 2, action: 'decided', actor: 'Ann', detail: { verdict: 'fraud' } },
    ]);
    expect(rig.labels.filter((label) => label.eventKey === reviewInput(1).eventKey)).toEqual([
      {
        eventKey: reviewInput(1).eventKey,
        pipeline: 'orders',
        entities: reviewInput(1).entities,
        eventTimeMs: 1_760_000_000_000,
        verdict: 'fraud',
        knownAtMs: accepted.decidedAtMs,
      },
    ]);
  });

  it('ignores signals that are no verdict, takes the first good one, and ignores later ones', async () => {
    const id = await rig.start(reviewInput(2));
    const bad = [
      undefined,
      {},
      { verdict: 'maybe', reviewer: 'Ann' },
      { verdict: 'fraud', reviewer: ' ' },
      { verdict: 'fraud', reviewer: 'Ann', comment: 7 },
    ];
    for (const message of bad) await run(id).signal(verdictSignal, message as never);
    await applied(id);
    expect(await run(id).query(reviewStateQuery)).toMatchObject({ status: 'open' });
    rig.labelFailure.error = new Error('no broker');
    try {
      await run(id).signal(verdictSignal, { verdict: 'genuine', reviewer: 'Bob' });
      await run(id).signal(verdictSignal, { verdict: 'fraud', reviewer: 'Cid' });
      await expect.poll(() => run(id).query(reviewStateQuery)).toMatchObject({ status: 'decided' });
    } finally {
      delete rig.labelFailure.error;
    }
    expect((await run(id).result()).accepted).toMatchObject({ verdict: 'genuine', reviewer: 'Bob' });
    expect(await audit(id)).toHaveLength(2);
    expect(rig.labels.filter((label) => label.eventKey === reviewInput(2).eventKey)).toMatchObject([
      { verdict: 'genuine' },
    ]);
  });

  it('stays open until projection and label are written; meanwhile later verdicts learn who was first, and the same one is accepted again', async () => {
    const id = await rig.start(reviewInput(3));
    await applied(id);
    await rig.pool.query('alter table reviews rename to gone');
    try {
      const first = await update(id, 'fraud', 'Ann', 'v3');
      expect(await update(id, 'fraud', 'Ann', 'v3')).toEqual(first);
      const failure = await failureOf(update(id, 'genuine', 'Bob'));
      expect(failure).toMatchObject({ type: 'ALREADY_DECIDED', details: [first] });
      expect(failure.message).toContain(`by Ann at ${new Date(first.decidedAtMs).toISOString()}`);
      expect(await failureOf(update(id, 'maybe', 'Bob'))).toMatchObject({
        type: 'INVALID_VERDICT',
        message: 'verdict must be one of fraud, genuine',
      });
      const pending = async () =>
        ((await run(id).describe()).raw.pendingActivities ?? []).map((activity) => activity.activityType?.name);
      await expect.poll(pending, { timeout: 10_000 }).toEqual(['projectReview']);
    } finally {
      await rig.pool.query('alter table gone rename to reviews');
    }
    await run(id).result();
    expect(await row(id)).toMatchObject({ status: 'decided', reviewer: 'Ann', verdict_id: 'v3' });
  });

  it('escalates when nobody answers in time, never decides by itself, and can still be decided', async () => {
    const id = await rig.start(reviewInput(4, { timeoutMs: 50 }));
    await expect
      .poll(() => row(id), { timeout: 10_000 })
      .toMatchObject({ status: 'escalated', step: 2, verdict: null });
    // The row is written by a local activity: the attribute comes when its workflow task ends, a moment later.
    await expect
      .poll(async () => (await run(id).describe()).searchAttributes[searchAttributes.reviewStatus.name], {
        timeout: 10_000,
      })
      .toEqual(['escalated']);
    expect((await run(id).describe()).status.name).toBe('RUNNING');
    expect(await run(id).query(reviewStateQuery)).toMatchObject({
      status: 'escalated',
      escalatedAtMs: expect.any(Number),
    });
    await update(id, 'genuine', 'Ann');
    await run(id).result();
    expect(await row(id)).toMatchObject({ status: 'decided', step: 3, escalated_at: expect.any(Date) });
    expect((await audit(id)).map((entry) => (entry as { action: string }).action)).toEqual([
      'opened',
      'escalated',
      'decided',
    ]);
  });

  it('has one winner among parallel verdicts', async () => {
    const id = await rig.start(reviewInput(5));
    await applied(id);
    const answers = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => update(id, i % 2 ? 'fraud' : 'genuine', `reviewer ${i}`)),
    );
    const winners = answers.filter((answer) => answer.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    expect((await row(id))?.['reviewer'] ?? winners[0]!.value.reviewer).toBe(winners[0]!.value.reviewer);
    await run(id).result();
    expect(await row(id)).toMatchObject({ status: 'decided', reviewer: winners[0]!.value.reviewer });
    expect(await audit(id)).toHaveLength(2);
  });

  it('adopts the verdict of an earlier run on the same event, and goes on when it is cancelled', async () => {
    const input = reviewInput(6);
    const id = await rig.start(input);
    await applied(id);
    await run(id).cancel();
    await update(id, 'fraud', 'Ann', 'first');
    await run(id).result();
    const again = await rig.client.workflow.start(review, {
      taskQueue: rig.taskQueue,
      workflowId: id,
      args: [input],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    });
    expect(await again.result()).toMatchObject({
      status: 'decided',
      accepted: { id: 'first', verdict: 'fraud', reviewer: 'Ann' },
    });
    expect(await audit(id)).toHaveLength(2);
  });

  it('shows its state in the Web UI, with nothing personal in memo, id, search attributes or summary', async () => {
    const id = await rig.start(reviewInput(7));
    await applied(id);
    await update(id, 'fraud', 'Ann Smith');
    await run(id).result();
    const described = await run(id).describe();
    expect(described.searchAttributes).toMatchObject({
      [searchAttributes.pipeline.name]: ['orders'],
      [searchAttributes.reviewStatus.name]: ['decided'],
    });
    const open = JSON.stringify([
      described.memo,
      described.searchAttributes,
      described.workflowId,
      await described.staticSummary(),
    ]);
    for (const personal of ['ann@example.org', 'Ann Smith', 'Order of']) expect(open).not.toContain(personal);
    const details = await run(id).query<{
      currentDetails: string;
      definition: { updateDefinitions: { description: string }[] };
    }>('__temporal_workflow_metadata');
    expect(details.currentDetails).toContain('| about | Order of 12.50 \\| at shop 9 |');
    expect(details.currentDetails).toMatch(/\| verdict \| fraud, \d{4}-/);
    expect(details.currentDetails).not.toMatch(/Ann|ann@/);
    expect(details.definition.updateDefinitions[0]!.description).toContain('which verdict won');
  });

  it('replays', async () => {
    const history = await run('review:local:orders:0:orders:0:4').fetchHistory();
    await Worker.runReplayHistory({ workflowsPath }, history, 'review:local:orders:0:orders:0:4');
  }, 30_000);

  it('leaves an audit chain that holds, takes no change, and shows one that was made behind its back', async () => {
    expect(await findAuditBreak(rig.pool, 'orders')).toBeNull();
    await expect(rig.pool.query('delete from review_audit')).rejects.toThrow(/append-only/);
    await expect(rig.pool.query(`update review_audit set actor = 'x'`)).rejects.toThrow(/append-only/);
    await expect(rig.pool.query('truncate review_audit')).rejects.toThrow(/append-only/);
    await rig.pool.query('alter table review_audit disable trigger all');
    await rig.pool.query(`update review_audit set actor = 'somebody else' where sequence = 4`);
    expect(await findAuditBreak(rig.pool, 'orders')).toBe(4);
    await rig.pool.query('delete from review_audit where sequence = 4');
    expect(await findAuditBreak(rig.pool, 'orders')).toBe(5);
  });
});
