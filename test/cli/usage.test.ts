import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/errors.ts';
import { confirmOn } from '../../src/cli/prompt.ts';
import { startInstance } from '../lib/instance.ts';
import { cliHome, MILLRACE } from '../lib/millrace.ts';
import { selfSigned } from '../lib/self-signed.ts';
import { freePort } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

/** A server that accepts connections and never answers. */
async function withSilentServer(
  use: (url: string, asked: Promise<void>) => Promise<void>,
): Promise<void> {
  let onRequest: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (onRequest = resolve));
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => onRequest());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked);
  } finally {
    server.close();
  }
}

describe('the command line', () => {
  test('without a command shows its help on stderr and exits with 2', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      const { code, stdout, stderr } = await cli.run();
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain('Usage: millrace [options] [command]');
      const group = await cli.run('replica');
      expect(group).toMatchObject({ code: 2, stdout: '' });
      expect(group.stderr).toContain('Usage: millrace replica');
    });
  });

  test('shows help that was asked for on stdout and exits with 0', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      const help = await cli.run('replica', 'create', '--help');
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toMatchSnapshot();
      expect(await cli.ok('help', 'replica')).toContain('Usage: millrace replica');
      expect(await cli.ok('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
      expect(await cli.ok('serve', '--help')).toContain('RS_API_TOKEN');
    });
  });

  test.each([
    [['replcia', 'ls', 'local'], '(Did you mean replica?)'],
    [['replica', 'crate'], '(Did you mean create?)'],
    [['bucket', 'ls', 'local', '--ful'], '(Did you mean --full?)'],
    [['bucket', 'ls'], "missing required argument 'instance'"],
    [['bucket', 'ls', 'local/b'], "Did you mean 'local'?"],
    [['-T', 'soon', 'bucket', 'ls', 'local'], 'is no number of seconds'],
    [['bucket', 'ls', 'local', '-p', '0'], 'no whole number from 1 to 1000'],
  ])('%j is answered with what was meant, and exit code 2', async (args, text) => {
    await withTempDir(async (folder) => {
      const { code, stdout, stderr } = await cliHome(folder).run(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(text);
    });
  });

  test.each([
    [['bucket', 'ls', 'http://my-secret@h/bucket']],
    [['bucket', 'show', 'http://my-secret@h/']],
    [['alias', 'add', 'x', '-L', 'ftp://my-secret@h']],
    [['replica', 'create', 'local/x', 'b', 'http://my-secret@h/?q']],
  ])('%j is told without the token that was typed', async (args) => {
    await withTempDir(async (folder) => {
      const { code, stderr } = await cliHome(folder).run(...args);
      expect(code).toBe(2);
      expect(stderr).not.toContain('my-secret');
    });
  });

  test('gives up a server that does not answer, after the time that was asked for', async () => {
    await withTempDir(async (folder) => {
      await withSilentServer(async (url) => {
        const cli = cliHome(folder);
        expect(await cli.run('bucket', 'ls', url, '-T', '2')).toEqual({
          code: 1,
          stdout: '',
          stderr: '[Timeout] No progress for 2000 ms\n',
        });
        await cli.ok('alias', 'add', 'silent', '-L', url, '--timeout', '1.5');
        expect((await cli.run('bucket', 'ls', 'silent')).stderr).toContain('for 1500 ms');
        expect((await cli.run('--timeout', '1', 'bucket', 'ls', 'silent')).stderr).toContain(
          'for 1000 ms',
        );
      });
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'ends a request on %s with exit code %i and without a word',
    async (signal, exitCode) => {
      await withTempDir(async (folder) => {
        await withSilentServer(async (url, asked) => {
          const { configPath } = cliHome(folder);
          const child = spawn(process.execPath, [MILLRACE, 'bucket', 'ls', url], {
            env: { MILLRACE_CONFIG: configPath },
            stdio: ['ignore', 'pipe', 'pipe'],
          });
          let printed = '';
          child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
          child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
          await asked;
          child.kill(signal);
          await once(child, 'close');
          expect({ code: child.exitCode, printed }).toEqual({ code: exitCode, printed: '' });
        });
      });
    },
  );

  test('refuses a certificate it does not know, unless told which or not to look', async () => {
    await withTempDir(async (folder) => {
      const { cert, key } = selfSigned({ commonName: 'localhost' });
      const certPath = join(folder, 'cert.pem');
      const keyPath = join(folder, 'key.pem');
      writeFileSync(certPath, cert);
      writeFileSync(keyPath, key);
      const env = { RS_CERT_PATH: certPath, RS_CERT_KEY_PATH: keyPath };
      const instance = await startInstance(join(folder, 'data'), env);
      try {
        const url = instance.url.replace('http:', 'https:');
        const cli = cliHome(folder);
        const refused = await cli.run('server', 'alive', url);
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(/^\[ConnectionError\] .*self.signed/i);
        await cli.ok('server', 'alive', url, '--ignore-ssl');
        await cli.ok('server', 'alive', url, '--ca-cert', certPath);
        await cli.ok('alias', 'add', 'tls', '-L', url, '--ca-cert', certPath);
        await cli.ok('server', 'alive', 'tls');
        expect(await cli.run('server', 'alive', url, '--ca-cert', keyPath)).toMatchObject({
          code: 1,
          stderr: `${keyPath} holds no certificate in PEM form\n`,
        });
      } finally {
        await instance.stop();
      }
    });
  });

  test('stops quietly when nobody reads any more', async () => {
    await withTempDir(async (folder) => {
      const { configPath } = cliHome(folder);
      const child = spawn(
        'bash',
        [
          '-c',
          `"${process.execPath}" "${MILLRACE}" serve --help | head -1; echo "\${PIPESTATUS[0]}"`,
        ],
        {
          env: { PATH: process.env['PATH'] ?? '', MILLRACE_CONFIG: configPath },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      await once(child, 'close');
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^Usage: .*\n0\n$/);
    });
  });
});

describe('serve', () => {
  test('is a server until it is stopped, also with the alias file named in its environment', async () => {
    await withTempDir(async (folder) => {
      const port = await freePort();
      const cli = cliHome(folder);
      const child = spawn(process.execPath, [MILLRACE, 'serve'], {
        env: {
          RS_PORT: String(port),
          RS_DATA_PATH: join(folder, 'data'),
          MILLRACE_CONFIG: cli.configPath,
        },
        stdio: 'ignore',
      });
      const url = `http://127.0.0.1:${port}`;
      while ((await cli.run('server', 'alive', url)).code !== 0) expect(child.exitCode).toBeNull();
      expect(await cli.ok('server', 'status', url)).toContain('Version:\t1.21.0');
      child.kill('SIGTERM');
      await once(child, 'exit');
      expect(child.exitCode).toBe(0);
    });
  });

  test('with an environment that cannot work is wrong usage', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder, { RS_PORT: 'many' });
      const { code, stderr } = await cli.run('serve');
      expect(code).toBe(2);
      expect(stderr).toContain('RS_PORT');
    });
  });
});

describe('demo and bench', () => {
  test('are those of the build, with their own options', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      expect(await cli.ok('bench', '--help')).toContain('--gate');
      expect(await cli.run('bench', '--rounds', 'many')).toMatchObject({ code: 2, stdout: '' });
      expect(await cli.ok('demo', '--help')).toContain('--keep');
      expect(await cli.run('demo', '--seconds', '1')).toMatchObject({ code: 2, stdout: '' });
    });
  });
});

describe('a question', () => {
  function terminal(): { input: PassThrough & { isTTY: boolean }; output: PassThrough } {
    return { input: Object.assign(new PassThrough(), { isTTY: true }), output: new PassThrough() };
  }

  test.each([
    ['y', true],
    ['YES', true],
    ['', false],
    ['n', false],
    ['yep', false],
  ])('answered with %j is %s', async (answer, isYes) => {
    const { input, output } = terminal();
    const asked = confirmOn(input, output, new AbortController().signal)('Sure?');
    input.write(`${answer}\n`);
    expect(await asked).toBe(isYes);
    expect(String(output.read())).toContain('Sure? [y/N] ');
  });

  test('is not answered when the user leaves', async () => {
    const { input, output } = terminal();
    const controller = new AbortController();
    const asked = confirmOn(input, output, controller.signal)('Sure?');
    controller.abort();
    await expect(asked).rejects.toThrow();
  });

  test('cannot be asked without a terminal', async () => {
    const ask = confirmOn(new PassThrough(), new PassThrough(), new AbortController().signal);
    await expect(ask('Sure?')).rejects.toThrow(CliError);
  });
});
