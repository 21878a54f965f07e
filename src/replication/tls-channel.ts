/** How certificates come from the main thread to those that connect to targets. */
import { BroadcastChannel } from 'node:worker_threads';
import type { TlsMaterial } from './transfer/tls-material.ts';

type Message = { readonly kind: 'ask' } | { readonly kind: 'use'; readonly material: TlsMaterial };

export class TlsChannel {
  readonly #channel: BroadcastChannel;

  /** @param name known to one instance only. */
  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.unref();
  }

  /** Side of the threads: asks for what is in use, and is told of it and of all changes. */
  follow(use: (material: TlsMaterial) => void): void {
    this.#listen((message) => {
      if (message.kind === 'use') use(message.material);
    });
    this.#send({ kind: 'ask' });
  }

  /** Side of the main thread: answers those who ask. */
  serve(current: () => TlsMaterial): void {
    this.#listen((message) => {
      if (message.kind === 'ask') this.tell(current());
    });
  }

  tell(material: TlsMaterial): void {
    this.#send({ kind: 'use', material });
  }

  close(): void {
    this.#channel.close();
  }

  #send(message: Message): void {
    this.#channel.postMessage(message);
  }

  #listen(take: (message: Message) => void): void {
    this.#channel.onmessage = (event: unknown) => {
      // Only these messages are sent on a channel of this name.
      take((event as { readonly data: Message }).data);
    };
  }
}
