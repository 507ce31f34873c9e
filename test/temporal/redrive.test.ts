import { describe, expect, it } from 'vitest';
import { redrivePoint } from '../../temporal/redrive.ts';
import { readRecorded } from '../replay/histories.ts';

type Events = NonNullable<ReturnType<typeof readRecorded>['events']>;

const eventsOf = (name: string): Events => readRecorded(name).events!;
const indexOf = (events: Events, type: keyof Events[number], from = 0) =>
  events.findIndex((event, i) => i >= from && event[type]);
const idAt = (events: Events, index: number) => Number(events[index]!.eventId);

describe('redrivePoint', () => {
  it('delivers again from the recorded decisions', () => {
    const events = eventsOf('batch-sink-away');
    const timer = indexOf(events, 'timerFiredEventAttributes');
    const deliveries = indexOf(events, 'workflowTaskStartedEventAttributes', timer);
    expect(redrivePoint(events)).toEqual({ eventId: idAt(events, deliveries), keeps: 'decisions' });
    // Also when it ended right then, or before a worker took the task.
    expect(redrivePoint(events.slice(0, deliveries + 1))).toEqual({
      eventId: idAt(events, deliveries),
      keeps: 'decisions',
    });
    expect(redrivePoint(events.slice(0, deliveries))).toEqual({
      eventId: idAt(events, deliveries),
      keeps: 'decisions',
    });
  });

  it('keeps the decisions of a batch that needed more than one task to get them', () => {
    const events = eventsOf('batch-model-away');
    const timer = indexOf(events, 'timerFiredEventAttributes');
    const second = indexOf(
      events,
      'workflowTaskStartedEventAttributes',
      indexOf(events, 'workflowTaskCompletedEventAttributes'),
    );
    expect(second).toBeLessThan(timer);
    expect(redrivePoint(events)).toEqual({
      eventId: idAt(events, indexOf(events, 'workflowTaskStartedEventAttributes', timer)),
      keeps: 'decisions',
    });
  });

  it('goes on with the second task while nothing is delivered', () => {
    const events = eventsOf('batch-model-away');
    const second = indexOf(
      events,
      'workflowTaskStartedEventAttributes',
      indexOf(events, 'workflowTaskCompletedEventAttributes'),
    );
    expect(redrivePoint(events.slice(0, indexOf(events, 'timerFiredEventAttributes')))).toEqual({
      eventId: idAt(events, second),
      keeps: 'first task',
    });
  });

  it('begins anew when nothing is recorded, also when no worker ever saw it', () => {
    const events = eventsOf('batch-delivered');
    const started = indexOf(events, 'workflowTaskStartedEventAttributes');
    expect(redrivePoint(events.slice(0, started + 1))).toEqual({ eventId: idAt(events, started), keeps: 'nothing' });
    expect(redrivePoint(events.slice(0, started))).toEqual({ eventId: idAt(events, started), keeps: 'nothing' });
    expect(() => redrivePoint(events.slice(0, 1))).toThrow('no workflow task to go on from');
  });
});
