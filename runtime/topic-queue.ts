import type { EncodedRange } from './kafka-records.ts';

/** How much one send carries at most. A topic takes 1,048,588 bytes per send and partition by default, and all may be for one. */
export const sendBytesMax = 768 * 1024;

/** What one call wants published. It has all its messages in the queue as parts, which are sent one after another. */
interface Publication {
  partsLeft: number;
  resolve(): void;
  reject(error: unknown): void;
}

interface Part extends EncodedRange {
  publication: Publication;
}

/** What waits to be sent to one topic, in the order of its arrival: one send at a time, which takes what came meanwhile. */
export class TopicQueue {
  #parts: Part[] = [];
  #bytes = 0;
  #sending: Promise<void> | undefined;

  /**
   * @param send resolves when the brokers have all of the parts.
   * @param onEmpty called when nothing is left to send; the queue is of no more use then.
   */
  constructor(
    private readonly send: (parts: readonly EncodedRange[]) => Promise<void>,
    private readonly onEmpty: () => void,
  ) {}

  /** Bytes that wait for their send. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when everything was sent or has failed. */
  async sent(): Promise<void> {
    await this.#sending;
  }

  /** Resolves when all parts are sent. Rejects with the error of a send, or with the signal's reason; what was not sent by then never is. */
  publish(ranges: readonly EncodedRange[], signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = () => signal?.removeEventListener('abort', onAbort);
      const publication: Publication = {
        partsLeft: ranges.length,
        resolve: () => {
          ended();
          resolve();
        },
        reject: (error) => {
          ended();
          reject(error as Error);
        },
      };
      const onAbort = () => {
        this.#remove(publication);
        reject(signal!.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#keep([...this.#parts, ...ranges.map((range) => ({ ...range, publication }))]);
      this.#sending ??= this.#sendAll();
    });
  }

  async #sendAll(): Promise<void> {
    for (let parts = this.#take(); parts.length > 0; parts = this.#take()) {
      try {
        await this.send(parts);
        for (const { publication } of parts) if (--publication.partsLeft === 0) publication.resolve();
      } catch (error) {
        for (const { publication } of parts) {
          this.#remove(publication);
          publication.reject(error);
        }
      }
    }
    this.#sending = undefined;
    this.onEmpty();
  }

  /** Takes what travels together. */
  #take(): Part[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#parts.length && (count === 0 || bytes + this.#parts[count]!.bytes <= sendBytesMax)) bytes += this.#parts[count++]!.bytes;
    const taken = this.#parts.slice(0, count);
    this.#keep(this.#parts.slice(count));
    return taken;
  }

  /** Forgets what a publication still has here. */
  #remove(publication: Publication): void {
    this.#keep(this.#parts.filter((part) => part.publication !== publication));
  }

  #keep(parts: Part[]): void {
    this.#parts = parts;
    this.#bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  }
}
