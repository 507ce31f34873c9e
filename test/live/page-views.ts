import { eventKey } from '../../contracts/event-key.ts';

/** A second kind of pipeline: which pages to recommend. Strings, two entities, no label, no review. */
export interface PageView {
  viewId: string;
  user: string;
  page: string;
  device: 'phone' | 'desktop';
  tags: string[];
  dwellSeconds: number;
  viewedAt: string;
  /** More than a double holds. */
  serial: string;
  /** Each once. */
  labels: string[];
  trail: Trail;
}

/** The pages on the way here, as a tree. */
interface Trail {
  page: string;
  from?: Trail[];
}

/** As somebody would write it who has only installed the package. */
export function pageViewsSource({
  name,
  topic,
  partitions,
}: {
  name: string;
  topic: string;
  partitions: number;
}): string {
  return `
import { definePipeline } from 'headrace';
import { z } from 'zod';

const Trail = z.object({ page: z.string(), get from() { return z.array(Trail).optional(); } });
const view = z.object({
  viewId: z.string().min(1),
  user: z.string().min(1),
  page: z.string().startsWith('/'),
  device: z.enum(['phone', 'desktop']),
  tags: z.array(z.string()).default([]),
  dwellSeconds: z.number().nonnegative(),
  viewedAt: z.coerce.date(),
  serial: z.string().transform(BigInt).pipe(z.bigint()),
  labels: z.array(z.string()).transform((labels) => new Set(labels)),
  trail: Trail,
});
const hour = 3_600_000;

export default definePipeline({
  name: ${JSON.stringify(name)},
  topic: { name: ${JSON.stringify(topic)}, partitions: ${partitions} },
  event: view,
  eventId: (event) => event.viewId,
  eventTimeMs: (event) => event.viewedAt.getTime(),
  entities: { user: (event) => event.user, page: (event) => event.page },
  features: ({ value, count, mean }) => ({
    dwell: value((event) => event.dwellSeconds),
    user_views_1h: count({ entity: 'user', lengthMs: hour }),
    page_mean_dwell_2h: mean({ name: 'dwell', read: (event) => event.dwellSeconds }, { entity: 'page', lengthMs: 2 * hour }),
  }),
  model: { name: 'linear', input: 'x', outputs: { y: 1 } },
  outcomes: ['promote', 'keep', 'demote'],
  decide: ({ event, prediction }) => {
    const interest = Number(prediction.y);
    const why = 'interest on a ' + event.device;
    return { outcome: interest > 900 ? 'promote' : interest < 750 ? 'demote' : 'keep', why };
  },
  sinks: [{ sink: 'lake' }, { sink: 'dashboard' }, { sink: 'decisions', when: ({ outcome }) => outcome !== 'keep' }],
});
`;
}

export function outcomeOf(y: number): string {
  return y > 900 ? 'promote' : y < 750 ? 'demote' : 'keep';
}

/** Names that look alike, in several scripts, with everything that could break a separator. The first two differ only in their code points. */
const users = [
  'Zo\u00eb',
  'Zoe\u0308',
  '李小龙',
  'Ада Лавлейс',
  '👩‍🚀',
  'a:b/c?d&e|f',
  `"quoted" \\ 'name'`,
  'مریم',
  '__proto__',
];
const pages = ['/меню/crème brûlée', '/日本/東京', '/a%20b#c', '/ünïcödé/👍🏽', '/1;drop table decisions'];
const startMs = Date.UTC(2026, 2, 28, 22);

/** The views of one partition; each has users and pages of its own, so that its order alone decides every window. */
export function pageViews(partition: number, count: number): PageView[] {
  return Array.from({ length: count }, (_, i) => ({
    viewId: `ビュー ${partition}-${i}`,
    user: `${users[(i * 7 + (i >> 3)) % users.length]}${partition === 0 ? '' : ` ${partition}`}`,
    page: `${pages[(i * 3 + (i >> 2)) % pages.length]}/${partition}`,
    device: i % 3 === 0 ? 'phone' : 'desktop',
    tags: i % 2 === 0 ? ['nouveauté', '🔥'] : [],
    dwellSeconds: (i * 37 + partition) % 300,
    viewedAt: new Date(startMs + i * 60_000).toISOString(),
    serial: String(2n ** 60n + BigInt(i)),
    labels: i % 2 === 0 ? ['a', 'b'] : [],
    trail: { page: '/', from: [{ page: '/1', from: [{ page: `/${i}` }] }, { page: '/2' }] },
  }));
}

/** What every sink must say of a view. */
export interface ExpectedView {
  eventKey: string;
  view: PageView;
  /** In the pipeline's order, as the model sees them. */
  features: [number, number, number];
  /** By version 2 of the model; it adds up in float32, so its last digits may differ. */
  y: number;
}

/** Recomputes every view in the plainest way: for each one, all earlier views of its partition are looked at again. */
export function recomputeViews(
  pipeline: string,
  topic: string,
  partition: number,
  views: readonly PageView[],
): ExpectedView[] {
  return views.map((view, offset) => {
    const atMs = Date.parse(view.viewedAt);
    const within = (hours: number) =>
      views.slice(0, offset + 1).filter(({ viewedAt }) => Date.parse(viewedAt) > atMs - hours * 3_600_000);
    const ofUser = within(1).filter(({ user }) => user === view.user);
    const ofPage = within(2).filter(({ page }) => page === view.page);
    const mean = ofPage.reduce((sum, { dwellSeconds }) => sum + dwellSeconds, 0) / ofPage.length;
    const features: ExpectedView['features'] = [view.dwellSeconds, ofUser.length, Math.fround(mean)];
    return {
      eventKey: eventKey({ deployment: 'test', pipeline, epoch: 0, topic, partition }, offset),
      view,
      features,
      y: features[0] + 2 * features[1] + 4 * features[2] + 100.5,
    };
  });
}
