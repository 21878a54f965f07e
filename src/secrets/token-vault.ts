/**
 * Tokens of replication targets as they lie in the store: AES-256-GCM under a key from outside of it, with a random
 * nonce. The task and the place it is for are authenticated with it, so that it opens for no other task and no other host.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { SecretKeys } from './secret-key.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Whose token it is. */
export interface TokenOwner {
  readonly id: number;
  readonly name: string;
  /** Scheme, host, port and path of the target it is for. */
  readonly place: string;
}

export type OpenedToken =
  | {
      readonly kind: 'open';
      readonly token: string;
      /** It is sealed under an older key. */ readonly isOld: boolean;
    }
  | { readonly kind: 'locked'; readonly problem: string };

/** `<key id>.<nonce>.<ciphertext and tag>`, the latter two in URL-safe base64. */
const SEALED_TEXT = /^([0-9a-f]{16})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]+)$/;

const CHANGED = 'it was given for another target, or what is stored was changed';

export class TokenVault {
  readonly #keys: SecretKeys;

  constructor(keys: SecretKeys) {
    this.#keys = keys;
  }

  /** @throws UnavailableError when there is no key and none can be made. */
  seal(token: string, owner: TokenOwner): string {
    const { id, bytes } = this.#keys.current();
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, bytes, nonce);
    cipher.setAAD(associatedData(owner));
    const sealed = Buffer.concat([
      cipher.update(token, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return `${id}.${nonce.toString('base64url')}.${sealed.toString('base64url')}`;
  }

  /** Never throws: a task whose token cannot be opened is stopped, and the server starts. */
  open(text: string, owner: TokenOwner): OpenedToken {
    const [, id = '', nonce = '', sealed = ''] = SEALED_TEXT.exec(text) ?? [];
    const key = this.#keys.find(id);
    if (key === undefined) return { kind: 'locked', problem: this.#keys.describeMissing() };
    const bytes = Buffer.from(sealed, 'base64url');
    try {
      const decipher = createDecipheriv(CIPHER, key.bytes, Buffer.from(nonce, 'base64url'));
      decipher.setAAD(associatedData(owner));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const plain = [decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()];
      const token = Buffer.concat(plain).toString('utf8');
      return { kind: 'open', token, isOld: !this.#keys.isCurrent(id) };
    } catch {
      return { kind: 'locked', problem: CHANGED };
    }
  }
}

function associatedData({ id, name, place }: TokenOwner): Buffer {
  return Buffer.from(`millrace target token 1\n${id}\n${name}\n${place}`);
}
