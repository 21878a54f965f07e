/** The Go SDK: its module path is fixed by its own documentation; it is run where the Go proxy has it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from './lib/toolbox.ts';

const MODULE = 'github.com/reductstore/reduct-go';
/** What the tool prints when the proxy, or a Go tool that is not there, says no. */
const NOT_TO_BE_HAD = /403 Forbidden|404 Not Found|410 Gone|not found|no matching versions/;

test('reduct-go is not to be had from the module proxy, or this suite lacks its scenario', async ({
  skip,
}) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-go-'));
  try {
    const env = { GOFLAGS: '' };
    const args = ['list', '-m', '-versions', MODULE];
    const tried = await run('go', args, { cwd: folder, env, timeoutMs: 50_000 }).catch(
      (error: unknown) => ({ code: null, stdout: '', stderr: `not found: ${String(error)}` }),
    );
    skip(
      tried.code !== 0 && NOT_TO_BE_HAD.test(tried.stderr),
      `go ${args.join(' ')}: ${tried.stderr.trim()}`,
    );
    expect(tried.stdout, 'the module can be had: write a scenario for it').toBe('');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
