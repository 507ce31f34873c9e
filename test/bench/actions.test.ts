import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { actionsOf } from '../../bench/actions.ts';

test('a delivered batch is a start, an update, a timer, an upsert and two workflow tasks with local activities', () => {
  const { events } = JSON.parse(
    readFileSync(new URL('../replay/histories/batch-delivered.json', import.meta.url), 'utf8'),
  );
  expect(actionsOf(events)).toBe(6);
});

test('local activities of one workflow task are one Action together, and each start of a regular one is one', () => {
  const task = { workflowTaskCompletedEventAttributes: {} };
  const local = { markerRecordedEventAttributes: { markerName: 'core_local_activity' } };
  const regular = { activityTaskStartedEventAttributes: {} };
  const version = { markerRecordedEventAttributes: { markerName: 'core_patch' } };
  expect(actionsOf([task, local, local, version, task, local, regular, regular])).toBe(4);
});
