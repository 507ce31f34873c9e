import { defaultPayloadConverter, type Payload, type PayloadCodec } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import { isFrame } from '../../contracts/frame.ts';
import { messageOf } from '../../contracts/failures.ts';
import { readableFrame } from '../readable-payload.ts';

type Payloads = temporal.api.common.v1.IPayloads;
type Failure = temporal.api.failure.v1.IFailure;

/** A failure for people, with the one behind it. */
export interface ReadableFailure {
  message: string;
  type?: string;
  cause?: ReadableFailure;
}

/** Makes what a history holds readable: decoded, and frames with totals and their first rows. */
export class Readable {
  constructor(
    private readonly codecs: readonly PayloadCodec[],
    private readonly rowsMax: number,
  ) {}

  /** A value that was decoded already. */
  value(value: unknown): unknown {
    if (!ArrayBuffer.isView(value)) return value;
    // A value from the workflow's own context is no instance of our Uint8Array.
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return isFrame(bytes) ? readableFrame(bytes, this.rowsMax) : { bytes: bytes.length };
  }

  /** Each payload; one that cannot be read says why in its place. */
  async all(payloads: Payloads | null | undefined): Promise<unknown[]> {
    return Promise.all((payloads?.payloads ?? []).map((payload) => this.one(payload as Payload)));
  }

  /** The only payload of a result; undefined for none. */
  async first(payloads: Payloads | null | undefined): Promise<unknown> {
    return (await this.all(payloads))[0];
  }

  async one(payload: Payload): Promise<unknown> {
    try {
      let decoded = payload;
      for (const codec of this.codecs.toReversed()) [decoded] = (await codec.decode([decoded])) as [Payload];
      return this.value(defaultPayloadConverter.fromPayload(decoded));
    } catch (error) {
      return { unreadable: messageOf(error) };
    }
  }

  failure(failure: Failure | null | undefined): ReadableFailure | undefined {
    if (!failure) return undefined;
    return {
      message: failure.message || 'no message',
      type: failure.applicationFailureInfo?.type || undefined,
      cause: this.failure(failure.cause),
    };
  }
}
