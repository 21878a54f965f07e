/** Certificates of connections to targets (replication §5.9). */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';

/** PEM texts; `null`: none. */
export interface TlsMaterial {
  /** Trusted besides the roots that Node.js comes with; may hold several. */
  readonly caPem: string | null;
  /** Certificate of this side and its chain, for targets that demand one; with its key. */
  readonly certPem: string | null;
  readonly keyPem: string | null;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** @throws Error when the bundle holds no certificate, or one that cannot be read. */
export function checkBundle(pem: string): void {
  const certificates = pem.match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error('it has no PEM certificate');
  for (const [at, certificate] of certificates.entries()) {
    try {
      // Throws for what is none.
      void new X509Certificate(certificate).fingerprint256;
    } catch (cause) {
      throw new Error(`certificate ${at + 1} of it cannot be read`, { cause });
    }
  }
}

/**
 * Made once and shared by connections: the roots are parsed each time.
 * @returns undefined when there is nothing beyond what Node.js does by itself.
 * @throws Error when certificate and key do not belong together.
 */
export function newSecureContext({
  caPem,
  certPem,
  keyPem,
}: TlsMaterial): SecureContext | undefined {
  if (caPem === null && certPem === null) return undefined;
  return createSecureContext({
    ...(caPem === null ? {} : { ca: [...rootCertificates, caPem] }),
    ...(certPem === null ? {} : { cert: certPem }),
    ...(keyPem === null ? {} : { key: keyPem }),
  });
}
