import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Builds `dist/` once: worker threads and child processes run the build, never a loader.
 * `TEST_DIST=keep` takes the `dist/` that is there, for quick repetitions.
 */
export default function setup(): void {
  if (process.env['TEST_DIST'] === 'keep') return;
  const root = fileURLToPath(new URL('../..', import.meta.url));
  execFileSync('npx', ['tsc', '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
}
