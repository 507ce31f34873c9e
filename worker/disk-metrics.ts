import { statfs } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';

/** Shows how much room is left where the feature store and the lake are. A folder that cannot be looked at has no figure. */
export function showDiskRoom(registry: Registry, folders: Readonly<Record<string, string>>): void {
  new Gauge({
    // Where several workers are shown together, the fullest disk counts.
    name: 'headrace_disk_free_ratio',
    aggregator: 'min',
    help: "Share of a folder's disk that is free.",
    labelNames: ['folder'],
    registers: [registry],
    async collect() {
      this.reset();
      await Promise.all(
        Object.entries(folders).map(async ([folder, path]) => {
          const { bavail, blocks } = await statfs(path).catch(() => ({ bavail: 0, blocks: 0 }));
          if (blocks > 0) this.set({ folder }, bavail / blocks);
        }),
      );
    },
  });
}
