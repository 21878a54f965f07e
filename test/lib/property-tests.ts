/**
 * Seed of all property tests: the same values at every run, so that a change is judged by what it changes.
 * `FC_SEED=<number>` tries others. A failure names its seed and path.
 */
import fc from 'fast-check';

const DEFAULT_SEED = 20_261_128;

fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? DEFAULT_SEED) });
