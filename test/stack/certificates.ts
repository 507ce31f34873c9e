/** Certificates made for one test run, so that no key is ever committed: a small X.509 writer over node:crypto. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

const dayMs = 86_400_000;

export interface Certificate {
  readonly name: string;
  /** PEM */
  readonly cert: Buffer;
  /** PEM */
  readonly key: Buffer;
  readonly privateKey: KeyObject;
}

// The few tags and identifiers of X.690 and RFC 5280 that are needed.
const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  boolean: 0x01,
};
const oids = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  basicConstraints: '551d13',
  subjectAltName: '551d11',
};

function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const header =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
}

const oid = (hex: string) => der(tags.oid, Buffer.from(hex, 'hex'));
const nameOf = (commonName: string) =>
  der(tags.sequence, der(tags.set, der(tags.sequence, oid(oids.commonName), der(tags.utf8, Buffer.from(commonName)))));
const time = (date: Date) =>
  der(tags.utcTime, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
const extension = (id: string, ...content: Buffer[]) =>
  der(tags.sequence, oid(id), der(tags.octetString, der(tags.sequence, ...content)));

export interface CertificateOptions {
  /** The only name that a server's certificate is for. @default localhost, and the address 127.0.0.1 */
  host?: string;
  /** @default tomorrow */
  validUntil?: Date;
}

/** A certificate for a server of this machine signed by `issuer`; without one, an authority that signs itself. */
export function makeCertificate(
  name: string,
  issuer?: Certificate,
  { host, validUntil = new Date(Date.now() + dayMs) }: CertificateOptions = {},
): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(tags.sequence, oid(oids.ecdsaWithSha256));
  const extensions =
    issuer === undefined
      ? extension(oids.basicConstraints, der(tags.boolean, Buffer.from([0xff])))
      : extension(
          oids.subjectAltName,
          der(0x82, Buffer.from(host ?? 'localhost')),
          ...(host ? [] : [der(0x87, Buffer.from([127, 0, 0, 1]))]),
        );
  const toBeSigned = der(
    tags.sequence,
    der(0xa0, der(tags.integer, Buffer.from([2]))),
    der(tags.integer, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(issuer?.name ?? name),
    der(tags.sequence, time(new Date(validUntil.getTime() - 2 * dayMs)), time(validUntil)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(tags.sequence, extensions)),
  );
  const signature = sign('sha256', toBeSigned, issuer?.privateKey ?? privateKey);
  const certificate = der(tags.sequence, toBeSigned, algorithm, der(tags.bitString, Buffer.from([0]), signature));
  const lines = certificate.toString('base64').replace(/.{1,64}/g, '$&\n');
  return {
    name,
    privateKey,
    cert: Buffer.from(`-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`),
    key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}
