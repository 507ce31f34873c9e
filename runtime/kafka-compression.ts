import zlib from 'node:zlib';
import kafkajs from 'kafkajs';
import lz4 from 'lz4-napi';
import snappy from 'snappy';

/** kafkajs's own form of a codec. */
interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/** The xerial framing that Java clients put around snappy: a header, then blocks with their lengths. */
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;

/** How far a zstd frame that does not say its size may grow: brokers refuse batches far below this. */
const zstdBytesMax = 64 * 1024 * 1024;

/**
 * Teaches kafkajs snappy, lz4 and zstd. Without them one record of a foreign producer would stop the whole group for good.
 * Global to the process, because kafkajs keeps its codecs so; calling it again changes nothing.
 */
export async function registerCompressionCodecs(): Promise<void> {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  CompressionCodecs[CompressionTypes.Snappy] = () => snappyCodec;
  CompressionCodecs[CompressionTypes.LZ4] = () => lz4Codec;
  const zstd = await zstdCodec();
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstd;
}

const snappyCodec: Codec = {
  compress: ({ buffer }) => snappy.compress(buffer),
  decompress: (buffer) => Promise.resolve(buffer.subarray(0, xerialMagic.length).equals(xerialMagic) ? uncompressXerial(buffer) : (snappy.uncompressSync(buffer) as Buffer)),
};

function uncompressXerial(buffer: Buffer): Buffer {
  const blocks: Buffer[] = [];
  for (let at = xerialHeaderBytes; at < buffer.length; ) {
    const bytes = buffer.readUInt32BE(at);
    blocks.push(snappy.uncompressSync(buffer.subarray(at + 4, at + 4 + bytes)) as Buffer);
    at += 4 + bytes;
  }
  return Buffer.concat(blocks);
}

const lz4Codec: Codec = {
  compress: ({ buffer }) => Promise.resolve(lz4.compressFrameSync(buffer)),
  decompress: (buffer) => Promise.resolve(lz4.decompressFrameSync(buffer)),
};

/** Node's own zstd where it has one (22.15 and later), else one in WebAssembly. */
async function zstdCodec(): Promise<Codec> {
  const node = zlib as unknown as { zstdCompressSync?(data: Buffer): Buffer; zstdDecompressSync?(data: Buffer, options: { maxOutputLength: number }): Buffer };
  if (node.zstdCompressSync && node.zstdDecompressSync) {
    return {
      compress: ({ buffer }) => Promise.resolve(node.zstdCompressSync!(buffer)),
      decompress: (buffer) => Promise.resolve(node.zstdDecompressSync!(buffer, { maxOutputLength: zstdBytesMax })),
    };
  }
  const { init, compress, decompress } = await import('@bokuweb/zstd-wasm');
  await init();
  return {
    compress: ({ buffer }) => Promise.resolve(Buffer.from(compress(buffer))),
    decompress: (buffer) => Promise.resolve(Buffer.from(decompress(buffer, { defaultHeapSize: zstdBytesMax }))),
  };
}
