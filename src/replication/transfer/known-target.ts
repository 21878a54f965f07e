/** What is known of a target, and what follows from it for the requests to it. */
import { placeOf } from '../replication-path.ts';
import type { Compression } from '../settings.ts';
import { chooseCoding, type Coding } from './compression.ts';
import type { TargetInfo } from './target-info.ts';

export interface KnownTargetOptions {
  readonly compression: Compression;
  /** The bucket that sends, as paths of replication name it; `null`: the target is told nothing. */
  readonly ownPlace: string | null;
  /** Records that came from the target are not sent back to it. */
  readonly leavesOutLoops: boolean;
}

export class KnownTarget {
  readonly #options: KnownTargetOptions;
  #info: TargetInfo | null = null;
  #coding: Coding | null = null;
  #place: string | null = null;

  /** @param info of an earlier contact; `null`: there was none. */
  constructor(options: KnownTargetOptions, info: TargetInfo | null = null) {
    this.#options = options;
    this.learn(info);
  }

  /** After a contact. */
  learn(info: TargetInfo | null): void {
    const { compression, leavesOutLoops } = this.#options;
    this.#info = info;
    this.#coding = chooseCoding(compression, info).coding;
    const isNamed = info !== null && info.instanceId !== null && info.bucketId !== null;
    this.#place = isNamed && leavesOutLoops ? placeOf(info.instanceId, info.bucketId) : null;
  }

  get info(): TargetInfo | null {
    return this.#info;
  }

  /** How bodies are compressed; `null`: not at all. */
  get coding(): Coding | null {
    return this.#coding;
  }

  get ownPlace(): string | null {
    return this.#options.ownPlace;
  }

  /** The bucket there, as paths of replication name it: what came through there is not sent; `null`: everything is. */
  get place(): string | null {
    return this.#place;
  }
}
