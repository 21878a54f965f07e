/** Tokens of a read-only instance (http-api §1.12): they are checked and shown, and none is changed. */
import { readOnlyRefusal } from '../errors/read-only.ts';
import type { BucketCommit, IssuedToken, TokenAdmin } from './types.ts';

export class ReadOnlyTokens implements TokenAdmin {
  readonly #tokens: TokenAdmin;

  constructor(tokens: TokenAdmin) {
    this.#tokens = tokens;
  }

  list(): string {
    return this.#tokens.list();
  }

  document(name: string): string {
    return this.#tokens.document(name);
  }

  create(): Promise<IssuedToken> {
    return Promise.reject(readOnlyRefusal('generate token'));
  }

  rotate(): Promise<IssuedToken> {
    return Promise.reject(readOnlyRefusal('rotate token'));
  }

  remove(): Promise<void> {
    return Promise.reject(readOnlyRefusal('remove token'));
  }

  withoutBucket(name: string, commit: BucketCommit): Promise<void> {
    return this.#tokens.withoutBucket(name, commit);
  }

  withRenamedBucket(name: string, newName: string, commit: BucketCommit): Promise<void> {
    return this.#tokens.withRenamedBucket(name, newName, commit);
  }
}
