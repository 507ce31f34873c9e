import type { Service } from './service.ts';

/** Throws when services cannot be ordered: a name twice, a need that nobody meets, or a circle. */
export function assertStartable(services: readonly Service[]): void {
  const byName = new Map(services.map((service) => [service.name, service]));
  if (byName.size !== services.length) throw new Error('two services have one name');
  const settled = new Set<string>();
  const visit = (service: Service, path: string[]): void => {
    if (settled.has(service.name)) return;
    if (path.includes(service.name))
      throw new Error(`services need each other in a circle: ${[...path, service.name].join(' -> ')}`);
    for (const need of service.needs) {
      const needed = byName.get(need);
      if (needed === undefined) throw new Error(`service ${service.name} needs ${need}, which does not exist`);
      visit(needed, [...path, service.name]);
    }
    settled.add(service.name);
  };
  for (const service of services) visit(service, []);
}

/** Names of the services that need this one directly. */
export function dependantsOf(services: readonly Service[], name: string): string[] {
  return services.filter((service) => service.needs.includes(name)).map((service) => service.name);
}
