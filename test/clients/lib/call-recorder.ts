/** Which public methods of a published JavaScript package a scenario has called. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Names of the public instance methods of a class, read from the type declarations that the package ships.
 * @param file path inside the package, such as `reduct-js/lib/esm/Bucket.d.ts`.
 * @throws Error when the file does not declare the class.
 */
export function declaredMethods(file: string, className: string): string[] {
  const path = createRequire(import.meta.url).resolve(file);
  const text = readFileSync(path, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const from = text.indexOf(`export declare class ${className} {`);
  if (from === -1) throw new Error(`${file} declares no class ${className}`);
  const body = text.slice(from, text.indexOf('\n}', from));
  const names = [...body.matchAll(/^ {4}([A-Za-z]+)\(/gm)].map(([, name = '']) => name);
  return names.filter((name) => name !== 'constructor');
}

export class CallRecorder {
  readonly #called = new Set<string>();
  readonly #expected = new Set<string>();

  /** Counts calls of `names` on every object with this prototype, from now on. */
  watch(label: string, prototype: object, names: readonly string[]): void {
    for (const name of names) {
      const key = `${label}.${name}`;
      this.#expected.add(key);
      const original: unknown = Reflect.get(prototype, name);
      if (typeof original !== 'function') throw new Error(`${key} is declared but is no method`);
      const called = this.#called;
      Reflect.set(prototype, name, function (this: unknown, ...args: unknown[]): unknown {
        called.add(key);
        return Reflect.apply(original, this, args);
      });
    }
  }

  /** Watched methods that nobody has called, sorted. */
  missing(): string[] {
    return [...this.#expected].filter((key) => !this.#called.has(key)).toSorted();
  }

  get size(): number {
    return this.#expected.size;
  }
}
