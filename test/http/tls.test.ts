import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors/errors.ts';
import { checkCertificate } from '../../src/http/certificate.ts';
import type { CertificateFiles } from '../../src/http/certificate.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { openFront } from '../lib/front-harness.ts';
import type { FrontHarness } from '../lib/front-harness.ts';
import { selfSigned } from '../lib/self-signed.ts';
import type { SelfSigned } from '../lib/self-signed.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const sockets = new Set<tls.TLSSocket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

async function write(folder: string, { cert, key }: SelfSigned): Promise<CertificateFiles> {
  const files = { certPath: join(folder, 'cert.pem'), keyPath: join(folder, 'key.pem') };
  await writeFile(files.certPath, cert);
  await writeFile(files.keyPath, key);
  return files;
}

function connect(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    sockets.add(socket);
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

function nameOf(socket: tls.TLSSocket): string {
  const { CN } = socket.getPeerCertificate().subject;
  return String(CN);
}

async function presentedName(port: number): Promise<string> {
  const socket = await connect(port);
  const name = nameOf(socket);
  socket.destroy();
  return name;
}

/** Status line of the answer on this very connection. */
function ask(socket: tls.TLSSocket, path = '/api/v1/alive'): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (data: Buffer) => resolve(data.toString('latin1').split('\r\n')[0] ?? ''));
    socket.once('close', () => reject(new Error('closed')));
    socket.write(`GET ${path} HTTP/1.1\r\nhost: test\r\n\r\n`);
  });
}

interface Answer {
  readonly status: number | undefined;
  readonly body: Buffer;
}

function call(
  port: number,
  ca: string,
  method: string,
  path: string,
  body?: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { port, host: '127.0.0.1', ca, method, path, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          resolve({ status: response.statusCode, body: Buffer.concat(chunks) });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

function withSecureFront(
  use: (
    front: FrontHarness,
    folder: string,
    first: SelfSigned,
    files: CertificateFiles,
  ) => Promise<void>,
): Promise<void> {
  return withTempDir(async (folder) => {
    const first = selfSigned({ commonName: 'first' });
    const files = await write(folder, first);
    const config = { certPath: files.certPath, certKeyPath: files.keyPath };
    const front = await openFront(join(folder, 'store'), { config });
    try {
      await use(front, folder, first, files);
    } finally {
      await front.close();
    }
  });
}

describe('a server with a certificate', () => {
  test('serves records of any size to a client that checks it', async () => {
    await withSecureFront(async ({ port, server }, _folder, { cert }) => {
      const content = randomBytes(3_000_000);
      expect((await call(port, cert, 'POST', '/api/v1/b/data')).status).toBe(200);
      expect((await call(port, cert, 'POST', '/api/v1/b/data/e?ts=1', content)).status).toBe(200);
      const read = await call(port, cert, 'GET', '/api/v1/b/data/e?ts=1');
      expect(read.body.equals(content)).toBe(true);
      expect(server.figures().requestsInFlight).toBe(0);
    });
  });

  test('makes links that begin with https', async () => {
    await withSecureFront(async ({ port }, _folder, { cert }) => {
      const document = {
        bucket: 'b',
        entry: 'e',
        record_entry: 'e',
        record_timestamp: 1,
        query: { query_type: 'QUERY' },
        expire_at: 4_000_000_000,
      };
      const body = Buffer.from(JSON.stringify(document));
      const { link } = JSON.parse(
        (await call(port, cert, 'POST', '/api/v1/links/f', body)).body.toString(),
      );
      expect(link.startsWith(`https://127.0.0.1:${port}/api/v1/links/f?`)).toBe(true);
    });
  });

  test('answers no plain request, and survives it', async () => {
    await withSecureFront(async ({ port }) => {
      const answer = await new Promise<string>((resolve) => {
        let received = '';
        const socket = net.connect(port, '127.0.0.1', () => {
          socket.write('GET /api/v1/alive HTTP/1.1\r\nhost: test\r\n\r\n');
        });
        socket.on('data', (data: Buffer) => (received += data.toString('latin1')));
        socket.on('error', () => {});
        socket.on('close', () => resolve(received));
      });
      expect(answer).not.toContain('HTTP/1.1');
      expect(await presentedName(port)).toBe('first');
    });
  });

  test('accepts nothing older than TLS 1.2', async () => {
    await withSecureFront(async ({ port }) => {
      const old = {
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'ALL:@SECLEVEL=0',
      } as const;
      await expect(connect(port, old)).rejects.toThrow(/protocol version/i);
      expect((await connect(port, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    });
  });

  test('does not start on a port that another server has', async () => {
    await withSecureFront(async ({ port }, folder, _first, files) => {
      const config = { certPath: files.certPath, certKeyPath: files.keyPath };
      const other = await openFront(join(folder, 'other'), { config });
      await expect(other.server.listen('127.0.0.1', port)).rejects.toThrow(
        `Cannot listen on 127.0.0.1:${port}`,
      );
      await other.close();
    });
  });
});

describe('a certificate that changes', () => {
  test('is presented to new connections, while the old ones go on', async () => {
    await withSecureFront(async ({ port }, folder) => {
      const old = await connect(port);
      expect(await ask(old)).toContain('200');
      await write(folder, selfSigned({ commonName: 'second' }));
      await expect.poll(() => presentedName(port)).toBe('second');
      expect(await ask(old)).toContain('200');
      expect(nameOf(old)).toBe('first');
      for (let i = 0; i < 20; i++) expect(await presentedName(port)).toBe('second');
    });
  });

  test('is noticed behind links that are replaced, as secrets are mounted', async () => {
    await withTempDir(async (folder) => {
      for (const commonName of ['first', 'second']) {
        await mkdir(join(folder, commonName));
        await write(join(folder, commonName), selfSigned({ commonName }));
      }
      await symlink('first', join(folder, 'current'));
      const config = {
        certPath: join(folder, 'current', 'cert.pem'),
        certKeyPath: join(folder, 'current', 'key.pem'),
      };
      const front = await openFront(join(folder, 'store'), { config });
      try {
        expect(await presentedName(front.port)).toBe('first');
        await symlink('second', join(folder, 'next'));
        await rename(join(folder, 'next'), join(folder, 'current'));
        await expect.poll(() => presentedName(front.port)).toBe('second');
      } finally {
        await front.close();
      }
    });
  });

  test('and cannot be used is logged once, until a usable one comes', async () => {
    await withTempDir(async (folder) => {
      const files = await write(folder, selfSigned({ commonName: 'first' }));
      const config = { certPath: files.certPath, certKeyPath: files.keyPath };
      const errors: string[] = [];
      const error = (fields: object | string): void => {
        const err = typeof fields === 'object' && 'err' in fields ? fields.err : fields;
        errors.push(err instanceof Error ? err.message : String(err));
      };
      const front = await openFront(join(folder, 'store'), {
        config,
        deps: () => ({ logger: { ...silentLogger, info: () => {}, warn: () => {}, error } }),
      });
      try {
        await writeFile(files.certPath, selfSigned({ commonName: 'other' }).cert);
        await expect.poll(() => errors).toHaveLength(1);
        expect(errors[0]).toBe(
          `RS_CERT_KEY_PATH: the key in '${files.keyPath}' does not belong to the certificate in '${files.certPath}'`,
        );
        expect(await presentedName(front.port)).toBe('first');
        await rm(files.keyPath);
        await expect.poll(() => errors).toHaveLength(2);
        expect(errors[1]).toContain('cannot be read: it does not exist');
        await write(folder, selfSigned({ commonName: 'third' }));
        await expect.poll(() => presentedName(front.port)).toBe('third');
        expect(errors).toHaveLength(2);
      } finally {
        await front.close();
      }
    });
  });

  test('does not outlive the server: closing closes connections of every certificate', async () => {
    await withSecureFront(async ({ port, server }, folder) => {
      const old = await connect(port);
      await write(folder, selfSigned({ commonName: 'second' }));
      await expect.poll(() => presentedName(port)).toBe('second');
      const current = await connect(port);
      const closed = [old, current].map(
        (socket) => new Promise((resolve) => socket.once('close', resolve)),
      );
      await server.close(1000);
      await Promise.all(closed);
      await expect(connect(port)).rejects.toThrow('ECONNREFUSED');
    });
  });
});

describe('files that cannot be used', () => {
  const refusal = (files: CertificateFiles): Promise<ConfigError> =>
    checkCertificate(files).then(
      () => expect.unreachable(),
      (error: ConfigError) => error,
    );

  test('are named with their variable and the reason', async () => {
    await withTempDir(async (folder) => {
      const files = await write(folder, selfSigned({ commonName: 'a' }));
      const { certPath, keyPath } = files;
      const missing = join(folder, 'missing.pem');
      expect((await refusal({ certPath: missing, keyPath })).message).toBe(
        `RS_CERT_PATH: '${missing}' cannot be read: it does not exist`,
      );
      expect((await refusal({ certPath, keyPath: folder })).message).toBe(
        `RS_CERT_KEY_PATH: '${folder}' cannot be read: it is a folder`,
      );
      expect((await refusal({ certPath: keyPath, keyPath })).message).toMatch(
        `RS_CERT_PATH: '${keyPath}' holds no usable certificate: `,
      );
      expect((await refusal({ certPath, keyPath: certPath })).message).toMatch(
        `RS_CERT_KEY_PATH: '${certPath}' holds no usable private key: `,
      );
      const error = await refusal({ certPath: missing, keyPath });
      expect(error).toBeInstanceOf(ConfigError);
      expect(error.hint).toContain('PEM');
    });
  });

  test.runIf(process.getuid?.() !== 0)('permission denied', async () => {
    await withTempDir(async (folder) => {
      const files = await write(folder, selfSigned({ commonName: 'a' }));
      await chmod(files.keyPath, 0o000);
      expect((await refusal(files)).message).toContain('permission denied');
    });
  });

  test('stop the start', async () => {
    await withTempDir(async (folder) => {
      const files = await write(folder, selfSigned({ commonName: 'a' }));
      await writeFile(files.certPath, 'nothing');
      const config = { certPath: files.certPath, certKeyPath: files.keyPath };
      await expect(openFront(join(folder, 'store'), { config })).rejects.toThrow(
        `RS_CERT_PATH: '${files.certPath}' holds no usable certificate`,
      );
    });
  });

  test('tell whose they are and until when otherwise', async () => {
    await withTempDir(async (folder) => {
      const notAfter = new Date('2026-01-02T03:04:05Z');
      const files = await write(folder, selfSigned({ commonName: 'old', notAfter }));
      expect(await checkCertificate(files)).toEqual({ subject: 'CN=old', validTo: notAfter });
    });
  });
});
