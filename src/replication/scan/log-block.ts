/** A block as the tasks of a thread share it: with what is known of its metas. */
import { BlockView } from '../../store/block.ts';
import type { MetaInfo } from './meta-cache.ts';

export class LogBlock extends BlockView {
  /** By meta number; filled by `MetaCache`. */
  readonly metaInfos: (MetaInfo | undefined)[] = [];
}
