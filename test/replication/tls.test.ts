/** Targets that speak TLS: own authorities, client certificates, and files that change. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttps, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/logging/logger.ts';
import { TlsFiles } from '../../src/replication/tls-files.ts';
import { checkBundle, type TlsMaterial } from '../../src/replication/transfer/tls-material.ts';
import { until } from '../lib/engine-fixture.ts';
import { type RunningInstance, startInstance } from '../lib/instance.ts';
import { selfSigned, type SelfSigned } from '../lib/self-signed.ts';
import { newTempDir } from '../lib/temp-dir.ts';

const ours = selfSigned({ commonName: 'edge' });
const renewed = selfSigned({ commonName: 'edge-renewed' });
const theirs = selfSigned({ commonName: 'plant' });
const other = selfSigned({ commonName: 'somebody' });

let folder: string;
let store: string;
let remove: (() => Promise<void>)[];
let server: Server | undefined;
let instance: RunningInstance | undefined;
/** Names in the client certificates of requests. */
let clients: string[];

beforeEach(async () => {
  const [first, second] = [await newTempDir(), await newTempDir()];
  folder = first.path;
  store = second.path;
  remove = [first.remove, second.remove];
  clients = [];
});

afterEach(async () => {
  await instance?.stop();
  instance = undefined;
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  for (const each of remove) await each();
});

/** A target that takes everything from clients with one of these certificates. */
async function listen(trusted: readonly SelfSigned[] | null): Promise<string> {
  const demands =
    trusted === null
      ? {}
      : { requestCert: true, rejectUnauthorized: true, ca: trusted.map(({ cert }) => cert) };
  server = createHttps({ ...theirs, ...demands, maxHeaderSize: 1 << 20 }, (req, res) => {
    clients.push(String((req.socket as TLSSocket).getPeerCertificate().subject?.CN ?? ''));
    req.resume();
    req.on('end', () => res.writeHead(200, { 'x-reduct-api': '1.21' }).end('{}'));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function write(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  // As those who renew certificates do it: never half a file.
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
  return path;
}

async function start(env: Record<string, string>): Promise<RunningInstance> {
  instance = await startInstance(store, { RS_SYSTEM_EVENTS_ENABLED: 'false', ...env });
  if ((await instance.api.call('GET', '/b/src')).status === 404) {
    await instance.api.ok('POST', '/b/src');
  }
  return instance;
}

async function ownFiles(own: SelfSigned = ours): Promise<Record<string, string>> {
  return {
    RS_REPLICATION_CA_PATH: await write('ca.pem', `${other.cert}\n${theirs.cert}`),
    MILLRACE_REPLICATION_CERT_PATH: await write('cert.pem', own.cert),
    MILLRACE_REPLICATION_KEY_PATH: await write('key.pem', own.key),
  };
}

async function create({ api }: RunningInstance, url: string, name = 't') {
  const settings = { src_bucket: 'src', dst_bucket: 'dst', dst_host: url };
  return api.call('POST', `/replications/${name}`, {}, JSON.stringify(settings));
}

async function detail({ api }: RunningInstance, name = 't') {
  return JSON.parse((await api.ok('GET', `/replications/${name}?ext=1`)).text);
}

function record(ts: number) {
  return { ts: BigInt(ts), payload: Buffer.from('x'), labels: {} };
}

async function untilSent(running: RunningInstance, records: number): Promise<void> {
  await until(async () => (await detail(running)).extended.sent_records === records);
}

/** Sends one record, which fails, and gives the reason. */
async function failureOf(running: RunningInstance): Promise<{ code: number; message: string }> {
  await running.api.write('src', 'e', record(1));
  await until(async () => !(await detail(running)).info.is_active);
  return (await detail(running)).extended.last_error;
}

describe('a target with a certificate of an own authority', () => {
  test('is trusted when the bundle has it, beside the usual roots', async () => {
    const url = await listen(null);
    const running = await start(await ownFiles());
    await create(running, url);
    await running.api.write('src', 'e', record(1));
    await untilSent(running, 1);
  });

  test('is not trusted without, and the reason is told', async () => {
    const url = await listen(null);
    const running = await start({});
    await create(running, url);
    expect(await failureOf(running)).toMatchObject({
      code: -3,
      message: expect.stringMatching(/self.signed certificate/),
    });
  });

  test('is taken unseen with RS_REPLICATION_VERIFY_SSL=false', async () => {
    const url = await listen(null);
    const running = await start({ RS_REPLICATION_VERIFY_SSL: 'false' });
    await create(running, url);
    await running.api.write('src', 'e', record(1));
    await untilSent(running, 1);
  });
});

describe('a target that demands a client certificate', () => {
  test('gets it', async () => {
    const url = await listen([ours]);
    const running = await start(await ownFiles());
    await create(running, url);
    await running.api.write('src', 'e', record(1));
    await untilSent(running, 1);
    expect(new Set(clients)).toEqual(new Set(['edge']));
  });

  test('refuses without one, and a task and a check say why', async () => {
    const url = await listen([ours]);
    const running = await start({
      RS_REPLICATION_CA_PATH: (await ownFiles())['RS_REPLICATION_CA_PATH'] ?? '',
    });
    await create(running, url);
    const { code, message } = await failureOf(running);
    // The alert of the target, or the reset behind it, whichever comes first.
    expect([-3, -6]).toContain(code);
    expect(message).toMatch(/certificate required|demands a client certificate/);
    const { checks } = JSON.parse((await running.api.ok('POST', '/replications/t/check')).text);
    expect(checks[2]).toMatchObject({ name: 'certificate', status: 'error' });
    expect(checks[2].hint).toContain('MILLRACE_REPLICATION_CERT_PATH');
  });

  test('is checked with it', async () => {
    const url = await listen([ours]);
    const running = await start(await ownFiles());
    const settings = { src_bucket: 'src', dst_bucket: 'dst', dst_host: url };
    const answer = await running.api.ok(
      'POST',
      '/replications/x/check',
      {},
      JSON.stringify(settings),
    );
    const { checks } = JSON.parse(answer.text);
    expect(checks[2]).toMatchObject({
      name: 'certificate',
      status: 'warning',
      message: expect.stringMatching(/^the certificate ends in \d days$/),
      details: { subject: 'CN=plant', issuer: 'CN=plant', is_verified: true },
    });
    expect(answer.text).not.toContain('PRIVATE KEY');
  });

  test('sees the renewed one soon after the files have changed, without a restart', async () => {
    const url = await listen([ours, renewed]);
    const running = await start(await ownFiles());
    await create(running, url);
    await running.api.write('src', 'e', record(1));
    await untilSent(running, 1);
    await ownFiles(renewed);
    for (let ts = 2; !clients.includes('edge-renewed'); ts++) {
      await running.api.write('src', 'e', record(ts));
      await untilSent(running, ts);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  });
});

describe('files that cannot be used', () => {
  test('stop the start, with their names', async () => {
    const refusalOf = async (env: Record<string, string>): Promise<string> => {
      const { path, remove: removeStore } = await newTempDir();
      remove.push(removeStore);
      return startInstance(path, env).then(
        () => 'none',
        (error: unknown) => String(error),
      );
    };
    const missing = join(folder, 'none.pem');
    expect(await refusalOf({ RS_REPLICATION_CA_PATH: missing })).toContain(
      `Failed to read replication CA certificate ${missing}: ENOENT`,
    );
    const path = await write('bad.pem', 'nothing of the kind');
    expect(await refusalOf({ RS_REPLICATION_CA_PATH: path })).toContain(
      `Invalid replication CA certificate ${path}: it has no PEM certificate`,
    );
    const otherKey = { MILLRACE_REPLICATION_KEY_PATH: await write('k', other.key) };
    expect(await refusalOf({ ...(await ownFiles()), ...otherKey })).toMatch(
      /Failed to build replication HTTP client: .*mismatch/,
    );
    const { MILLRACE_REPLICATION_KEY_PATH: _, ...noKey } = await ownFiles();
    expect(await refusalOf(noKey)).toContain('need each other');
  });

  test('later on refuse new tasks, and the others go on with the former ones', async () => {
    const url = await listen([ours]);
    const files = await ownFiles();
    const running = await start(files);
    await create(running, url);
    const path = files['RS_REPLICATION_CA_PATH'] ?? '';
    await rm(path);
    const refused = await create(running, url, 'second');
    expect([refused.status, refused.error]).toEqual([
      422,
      `Failed to read replication CA certificate ${path}: ENOENT`,
    ]);
    await running.api.write('src', 'e', record(1));
    await untilSent(running, 1);
    await ownFiles();
    expect((await create(running, url, 'second')).status).toBe(200);
  });

  test('are told once each time, and taken again when they are mended', async () => {
    const path = await write('ca.pem', theirs.cert);
    const told: TlsMaterial[] = [];
    const errors: unknown[] = [];
    const files = new TlsFiles({
      paths: { ca: path, cert: undefined, key: undefined },
      logger: {
        ...silentLogger,
        info: () => undefined,
        error: (text: unknown) => errors.push(text),
      },
      onChange: (material) => told.push(material),
    });
    expect(await files.refresh()).toBeNull();
    expect(told).toEqual([]);
    await write('ca.pem', 'broken');
    expect(await files.refresh()).toContain('has no PEM certificate');
    expect(await files.refresh()).toContain('has no PEM certificate');
    expect(errors).toHaveLength(1);
    expect(files.material.caPem).toBe(theirs.cert);
    await write('ca.pem', other.cert);
    expect(await files.refresh()).toBeNull();
    expect(told.map(({ caPem }) => caPem)).toEqual([other.cert]);
  });
});

test('a bundle may hold several certificates and remarks, and each is looked at', () => {
  checkBundle(`# one\n${ours.cert}# two\n${theirs.cert}`);
  const broken = theirs.cert.replace('MII', 'XII');
  expect(() => checkBundle(`${ours.cert}${broken}`)).toThrow('certificate 2 of it cannot be read');
});
