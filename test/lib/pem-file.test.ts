import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readCertificates, readKeyPair, readPrivateKey } from '../../lib/pem-file.ts';
import { makeCertificate } from '../stack/certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'headrace-pem-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const authority = makeCertificate('authority');
const us = makeCertificate('us', authority);
let files = 0;

function file(content: string | Buffer): { env: string; path: string } {
  const path = join(folder, `${files++}.pem`);
  writeFileSync(path, content);
  return { env: 'THE_FILE', path };
}

describe('a PEM file', () => {
  const text = us.cert.toString();
  test.each([
    ['as it is', text],
    ['with CRLF', text.replaceAll('\n', '\r\n')],
    ['behind a byte order mark', `\uFEFF${text}`],
    ['in UTF-16, as PowerShell writes it', Buffer.from(`\uFEFF${text}`, 'utf16le')],
    ['with a comment and a second certificate', `# ours\n${text}\n${authority.cert.toString()}`],
  ])('%s is taken', (_, content) => {
    expect(readCertificates(file(content))).toContain('-----BEGIN CERTIFICATE-----');
    expect(readKeyPair(file(content), file(us.key)).key).toBe(us.key.toString());
  });

  const encrypted = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  }).privateKey;
  const der = Buffer.from(text.replaceAll(/-----.*-----|\s/g, ''), 'base64');
  test.each<[string, () => unknown, RegExp]>([
    [
      'one that is not there',
      () => readCertificates({ env: 'THE_FILE', path: '/nowhere/ca.pem' }),
      /^THE_FILE: \/nowhere\/ca\.pem cannot be read \(ENOENT\)$/,
    ],
    ['a folder', () => readCertificates({ env: 'THE_FILE', path: folder }), /cannot be read \(EISDIR\)$/],
    [
      'its content in place of its path',
      () => readCertificates({ env: 'THE_FILE', path: text }),
      /^THE_FILE: must be the path of a PEM file, not what is in it$/,
    ],
    ['an empty one', () => readCertificates(file('')), /^THE_FILE: .* holds no certificate in PEM form$/],
    [
      'a certificate in DER',
      () => readCertificates(file(der)),
      /holds no certificate in PEM form; it looks like DER, PKCS12 or a Java key store: export it as PEM$/,
    ],
    ['a Java key store', () => readCertificates(file(Buffer.from('feedfeed00000002', 'hex'))), /Java key store/],
    [
      'a certificate that is cut',
      () => readCertificates(file(`${text.slice(0, 200)}\n-----END CERTIFICATE-----\n`)),
      /^THE_FILE: the certificate in .* cannot be read \(/,
    ],
    ['a key where certificates belong', () => readCertificates(file(us.key)), /holds no certificate/],
    ['a certificate where the key belongs', () => readPrivateKey(file(text)), /holds no private key in PEM form$/],
    [
      'a key with a passphrase',
      () => readPrivateKey(file(encrypted)),
      /^THE_FILE: the key in .* is encrypted, .*; decrypt it with: openssl pkey -in /,
    ],
    [
      "another certificate's key",
      () => readKeyPair(file(text), file(authority.key)),
      /^THE_FILE and THE_FILE: the key in .* is not that of the first certificate in /,
    ],
  ])('%s is refused with the setting', (_, read, sentence) => {
    expect(read).toThrow(sentence);
    expect(read).not.toThrow('MII');
  });
});
