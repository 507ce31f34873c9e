import { kafkajsModule } from './kafkajs-internals.ts';

/** The parts of kafkajs's connection that take part in this. */
export interface Connection {
  connect: (() => Promise<true>) & { isOurs?: true };
  disconnect: () => Promise<true>;
}

/**
 * Makes requests that come at once share the socket that the first of them opens. By itself kafkajs opens one for each, uses the last, and
 * forgets the others: they keep a command from ending until the broker closes them, ten minutes later. May be called again.
 */
export function installSharedConnect(): void {
  const { prototype } = kafkajsModule<{ prototype: Connection }>('network/connection');
  const { connect, disconnect } = prototype;
  if (connect.isOurs) return;
  const underWay = new WeakMap<Connection, Promise<true>>();
  prototype.connect = Object.assign(
    function connectOnce(this: Connection): Promise<true> {
      const shared = underWay.get(this);
      if (shared) return shared;
      const own = connect.call(this).finally(() => {
        if (underWay.get(this) === own) underWay.delete(this);
      });
      underWay.set(this, own);
      return own;
    },
    { isOurs: true as const },
  );
  // What a server ends before it is connected never settles, and must not be waited for by those who try again.
  prototype.disconnect = function disconnectAndForget(this: Connection): Promise<true> {
    underWay.delete(this);
    return disconnect.call(this);
  };
}
