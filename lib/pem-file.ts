import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A setting that names a PEM file. */
export interface PemSetting {
  env: string;
  path: string;
}

/** The certificates in the file. Throws one sentence that names the setting when it holds none that can be used. */
export function readCertificates({ env, path }: PemSetting): string {
  const text = readText({ env, path });
  if (!/-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/.test(text))
    throw new Error(`${env}: ${path} holds no certificate in PEM form${otherForm(text)}`);
  usable(() => new X509Certificate(text), `${env}: the certificate in ${path} cannot be read`);
  return text;
}

/** The private key in the file, which is not encrypted. Throws one sentence that names the setting when there is none. */
export function readPrivateKey({ env, path }: PemSetting): string {
  const text = readText({ env, path });
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) {
    throw new Error(
      `${env}: the key in ${path} is encrypted, and nobody is there to ask for its passphrase; decrypt it with: openssl pkey -in ${path} -out key.pem`,
    );
  }
  if (!/-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/.test(text))
    throw new Error(`${env}: ${path} holds no private key in PEM form${otherForm(text)}`);
  usable(() => createPrivateKey(text), `${env}: the private key in ${path} cannot be read`);
  return text;
}

/** A certificate and its key. Throws when they are not of each other. */
export function readKeyPair(certificate: PemSetting, key: PemSetting): { cert: string; key: string } {
  const pair = { cert: readCertificates(certificate), key: readPrivateKey(key) };
  if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))) {
    throw new Error(
      `${certificate.env} and ${key.env}: the key in ${key.path} is not that of the first certificate in ${certificate.path}`,
    );
  }
  return pair;
}

function readText({ env, path }: PemSetting): string {
  if (path.includes('-----BEGIN')) throw new Error(`${env}: must be the path of a PEM file, not what is in it`);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new Error(`${env}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
  // Windows' tools write either; OpenSSL finds no certificate behind such a mark.
  return bytes[0] === 0xff && bytes[1] === 0xfe
    ? bytes.toString('utf16le', 2)
    : bytes.toString('utf8').replace(/^\uFEFF/, '');
}

/** Key stores and DER begin with the same bytes. */
function otherForm(text: string): string {
  const isDer = text.startsWith('0\u0082') || text.startsWith('0\uFFFD');
  const isKeyStore = text.startsWith('\uFFFD\uFFFD\uFFFD\uFFFD');
  return isDer || isKeyStore ? '; it looks like DER, PKCS12 or a Java key store: export it as PEM' : '';
}

function usable(parse: () => unknown, otherwise: string): void {
  try {
    parse();
  } catch (error) {
    throw new Error(`${otherwise} (${(error as Error).message})`, { cause: error });
  }
}
