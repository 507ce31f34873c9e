import type { Socket } from 'node:net';
import { kafkajsModule } from './kafkajs-internals.ts';

/** The parts of kafkajs's connection that take part in this. */
interface KafkaConnection {
  socket: Socket;
  chunks: Buffer[];
  bytesBuffered: number;
  /** Of the beginning of what is buffered, until there is something to do. */
  bytesNeeded: number;
  /** While a SASL exchange of the old kind is under way. */
  authHandlers: { onSuccess: (data: Buffer) => void } | null;
  authExpectResponse: boolean;
  requestQueue: { fulfillRequest: (response: { size: number; correlationId: number; payload: Buffer }) => void };
  processData: ((data: Buffer) => void) & { isOurs?: true };
}

const sizeBytes = 4;
const correlationIdBytes = 4;
/** Brokers send some 55 MB at most by default, and we ask for 10; the text "HTTP" would be 1.2 GB. */
const responseBytesMax = 256 * 1024 * 1024;

/**
 * Takes the responses out of what a connection receives. kafkajs believes any size that it is told: a server that speaks another protocol
 * makes it throw where nobody can catch it, which ends the process, or go round for ever, or collect what comes. Here such a connection ends
 * with an error, as one that breaks does.
 */
function takeResponses(this: KafkaConnection, data: Buffer): void {
  if (this.authHandlers && !this.authExpectResponse) return this.authHandlers.onSuccess(data);
  this.chunks.push(data);
  this.bytesBuffered += data.length;
  while (this.bytesBuffered >= this.bytesNeeded) {
    const buffer = this.chunks.length > 1 ? Buffer.concat(this.chunks) : this.chunks[0]!;
    const size = buffer.readInt32BE(0);
    if (size < correlationIdBytes || size > responseBytesMax) {
      this.socket.destroy(new Error(`what comes is no response of Kafka's: ${size} bytes are announced`));
      return;
    }
    const end = sizeBytes + size;
    if (buffer.length < end) return keep(this, buffer, end);
    keep(this, buffer.subarray(end), sizeBytes);
    if (this.authHandlers) return this.authHandlers.onSuccess(buffer.subarray(0, end));
    this.requestQueue.fulfillRequest({
      size,
      correlationId: buffer.readInt32BE(sizeBytes),
      payload: buffer.subarray(sizeBytes + correlationIdBytes, end),
    });
  }
}

function keep(connection: KafkaConnection, buffer: Buffer, bytesNeeded: number): void {
  connection.chunks = [buffer];
  connection.bytesBuffered = buffer.length;
  connection.bytesNeeded = bytesNeeded;
}

/** Makes all connections to brokers of this process bear any bytes. May be called again. */
export function installFrameBounds(): void {
  const { prototype } = kafkajsModule<{ prototype: KafkaConnection }>('network/connection');
  if (prototype.processData.isOurs) return;
  prototype.processData = Object.assign(takeResponses, { isOurs: true as const });
}
