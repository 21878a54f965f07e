/** State of the filters of one task, as a cursor carries it. Plain data: it survives structured cloning. */
import type { SamplingState } from './sampling.ts';

export interface FilterState {
  readonly sampling: SamplingState;
}
