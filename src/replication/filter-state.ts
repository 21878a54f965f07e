/** State of the filters of one task, as a cursor carries it. Plain data: it survives structured cloning. */
import type { ConditionState } from '../when/evaluate/stream.ts';
import type { SamplingState } from './sampling.ts';

/** The condition's stream of one entry. */
export interface EntryConditionState {
  readonly state: ConditionState;
  /** Records held as possible context: sequence of the block, index in it, and so on, flat. */
  readonly buffered: readonly number[];
}

export interface FilterState {
  readonly sampling: SamplingState;
  /** By entry id. */
  readonly condition: ReadonlyMap<number, EntryConditionState>;
}
