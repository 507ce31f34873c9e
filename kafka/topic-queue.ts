import { isRefusedMessage } from './refusal.ts';
import type { EncodedRange } from './encode-records.ts';

/** How much one send carries at most. A topic takes 1,048,588 bytes per send and partition by default, and all may be for one. */
export const sendBytesMax = 768 * 1024;

/** Messages that one send may lose one by one. A topic that refuses more refuses all that is left of the send. */
const refusedMax = 32;

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
      for (const range of ranges) {
        this.#parts.push({ ...range, publication });
        this.#bytes += range.bytes;
      }
      this.#sending ??= this.#sendAll();
    });
  }

  async #sendAll(): Promise<void> {
    for (let parts = this.#take(); parts.length > 0; parts = this.#take()) {
      const failed = new Map<Publication, unknown>();
      await this.#sendApart(parts, failed, { left: refusedMax });
      for (const { publication } of parts) {
        if (failed.has(publication)) {
          this.#remove(publication);
          publication.reject(failed.get(publication));
        } else if (--publication.partsLeft === 0) {
          publication.resolve();
        }
      }
    }
    this.#sending = undefined;
    this.onEmpty();
  }

  /**
   * Sends the parts. A broker refuses all that a send has for a partition when one message is too large for the topic, or all together are:
   * then they go in halves, so that a message fails its own publication alone. Notes the publications that failed.
   */
  async #sendApart(
    parts: readonly Part[],
    failed: Map<Publication, unknown>,
    refused: { left: number },
  ): Promise<void> {
    try {
      await this.send(parts);
    } catch (error) {
      const messages = parts.reduce((sum, { from, to }) => sum + to - from, 0);
      if (messages > 1 && refused.left > 0 && isRefusedMessage(error)) {
        for (const half of halves(parts, messages >> 1)) await this.#sendApart(half, failed, refused);
        return;
      }
      refused.left--;
      for (const { publication } of parts) failed.set(publication, error);
    }
  }

  /** Takes what travels together. */
  #take(): Part[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#parts.length && (count === 0 || bytes + this.#parts[count]!.bytes <= sendBytesMax))
      bytes += this.#parts[count++]!.bytes;
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

/** The parts up to so many messages, and the others. */
function halves(parts: readonly Part[], firstMessages: number): [Part[], Part[]] {
  const [first, second]: [Part[], Part[]] = [[], []];
  let left = firstMessages;
  for (const part of parts) {
    const { records, from, to } = part;
    const middle = Math.min(to, from + left);
    left -= middle - from;
    if (middle > from) first.push({ ...part, ...records.range(from, middle) });
    if (middle < to) second.push({ ...part, ...records.range(middle, to) });
  }
  return [first, second];
}
