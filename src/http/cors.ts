/** Cross-origin rules (http-api §1.5). */

export class CorsPolicy {
  /** Every origin is allowed with `*`; the request's origin does not matter. */
  readonly allowsAll: boolean;
  /** Only then a request's `origin` header has to be looked at. */
  readonly needsOrigin: boolean;
  readonly #origins: ReadonlySet<string>;

  /** @param origins trimmed items of `RS_CORS_ALLOW_ORIGIN`. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
    this.allowsAll = this.#origins.has('*');
    this.needsOrigin = !this.allowsAll && this.#origins.size > 0;
  }

  /** Value of `access-control-allow-origin` for a request, or empty. @param origin empty when absent. */
  allowOrigin(origin: string): string {
    if (this.allowsAll) return '*';
    return this.#origins.has(origin) ? origin : '';
  }
}
