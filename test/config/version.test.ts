import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  API_VERSION,
  MILLRACE_VERSION,
  readPackageVersion,
  SERVER_VERSION,
} from '../../src/config/version.ts';

test('the announced API version is that of the announced server version', () => {
  expect(SERVER_VERSION).toMatch(/^1\.\d+\.\d+$/);
  expect(SERVER_VERSION.startsWith(`${API_VERSION}.`)).toBe(true);
});

test('our own version is that of package.json', () => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  expect(text).toContain(`"version": "${MILLRACE_VERSION}"`);
});

test('the package file is found from any depth, and those of others are passed over', () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-version-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const deep = join(root, 'dist', 'src', 'config');
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"name":"millrace","version":"9.8.7"}');
  writeFileSync(join(root, 'dist', 'package.json'), '{"name":"other","version":"1.1.1"}');
  expect(readPackageVersion(deep)).toBe('9.8.7');
  expect(() => readPackageVersion(tmpdir())).toThrow(/^BUG: no package.json of millrace above/);
});
