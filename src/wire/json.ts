/**
 * JSON for request bodies and stored settings. Unlike `JSON.parse` it keeps what the contract needs: the order of
 * members (also of keys like `"10"`), integers up to 64 bits, and a bounded depth. Messages follow the style of the
 * reference JSON library, e.g. `expected value at line 1 column 1`.
 */
import { isDigit, JsonFloat, JsonScanner } from './json-scanner.ts';

export { JsonFloat, JsonSyntaxError } from './json-scanner.ts';

/** A JSON object: members in the order written; a repeated key keeps its first place and its last value. */
export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonArray = readonly JsonValue[];

/**
 * A JSON value. Integers of at most 2^53 − 1 in magnitude are `number`, larger ones inside [−2^63, 2^64−1] are
 * `bigint`, everything else is the nearest double. `JsonFloat` appears only with `keepFloats`. All forms except
 * `JsonFloat` survive structured cloning.
 */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | JsonFloat
  | JsonArray
  | JsonObject;

export interface JsonParseOptions {
  /** Tell `2.0` from `2` by a `JsonFloat`. Default false: both are the number 2. */
  readonly keepFloats?: boolean;
  /** Values in the document, counting those inside of others; more are an error. Default: any number. */
  readonly maxValues?: number;
}

/** Of a document in a request: it is read on the main thread, where a value costs up to 10 µs with what is made of it. */
export const JSON_BODY_LIMITS: Readonly<JsonParseOptions> = { maxValues: 50_000 };

/** Arrays and objects may nest one level less than this, as in the reference JSON library; the stack stays small. */
export const JSON_DEPTH_LIMIT = 128;

/** @throws JsonSyntaxError, and nothing else, for any text. */
export function parseJson(text: string, options: JsonParseOptions = {}): JsonValue {
  const { keepFloats = false, maxValues = Infinity } = options;
  return new Parser(text, keepFloats, undefined, maxValues).document();
}

/**
 * The text of one member of the top-level object exactly as it was written, or undefined when the root is no object
 * or has no such member. The last one wins when the key is repeated.
 * @throws JsonSyntaxError when `text` as a whole is not valid.
 */
export function memberText(text: string, name: string): string | undefined {
  const parser = new Parser(text, false, name, Infinity);
  parser.document();
  return parser.wantedText;
}

/**
 * Compact JSON text, big integers bare. Doubles beyond 2^53 keep a fraction or an exponent, so that parsing the text
 * gives doubles again; not-a-number and infinities become `null`.
 */
export function stringifyJson(value: JsonValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return numberText(value);
  if (typeof value !== 'object') return String(value);
  if (value instanceof JsonFloat) return `${Object.is(value.value, -0) ? '-0' : value.value}.0`;
  if (isJsonArray(value)) return `[${value.map(stringifyJson).join(',')}]`;
  const members: string[] = [];
  for (const [key, member] of value)
    members.push(`${JSON.stringify(key)}:${stringifyJson(member)}`);
  return `{${members.join(',')}}`;
}

export function isJsonObject(value: JsonValue): value is JsonObject {
  return value instanceof Map;
}

export function isJsonArray(value: JsonValue): value is JsonArray {
  return Array.isArray(value);
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value).replace('e+', 'e');
  const readsAsInteger = Number.isInteger(value) && !Number.isSafeInteger(value);
  return readsAsInteger && !text.includes('e') ? `${text}.0` : text;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Recursive descent; the depth limit bounds the stack. */
class Parser {
  readonly #scanner: JsonScanner;
  readonly #wantedMember: string | undefined;
  #depth = 0;
  #valuesLeft: number;
  wantedText: string | undefined = undefined;

  constructor(
    text: string,
    keepFloats: boolean,
    wantedMember: string | undefined,
    maxValues: number,
  ) {
    this.#scanner = new JsonScanner(text, keepFloats);
    this.#wantedMember = wantedMember;
    this.#valuesLeft = maxValues;
  }

  document(): JsonValue {
    const scanner = this.#scanner;
    const value = this.#value();
    scanner.skipBlanks();
    if (scanner.pos < scanner.text.length) scanner.failHere('trailing characters');
    return value;
  }

  #value(): JsonValue {
    const scanner = this.#scanner;
    if (--this.#valuesLeft < 0) scanner.failHere('too many values');
    const code = scanner.skipBlanks();
    if (code === QUOTE) return scanner.string();
    if (code === MINUS || isDigit(code)) return scanner.number();
    if (code === OPEN_BRACE) return this.#object();
    if (code === OPEN_BRACKET) return this.#array();
    const letter = scanner.text[scanner.pos];
    if (letter === 't') return scanner.word('true', true);
    if (letter === 'f') return scanner.word('false', false);
    if (letter === 'n') return scanner.word('null', null);
    return scanner.failHere('expected value', 'a value');
  }

  #array(): JsonArray {
    const scanner = this.#scanner;
    const items: JsonValue[] = [];
    this.#enter();
    let code = scanner.skipBlanks();
    while (code !== CLOSE_BRACKET) {
      if (items.length > 0) {
        if (code !== COMMA) scanner.failHere('expected `,` or `]`', 'a list');
        scanner.pos++;
        if (scanner.skipBlanks() === CLOSE_BRACKET) scanner.failHere('trailing comma');
      } else if (Number.isNaN(code)) {
        scanner.failHere('expected value', 'a list');
      }
      items.push(this.#value());
      code = scanner.skipBlanks();
    }
    this.#leave();
    return items;
  }

  #object(): JsonObject {
    const scanner = this.#scanner;
    const members = new Map<string, JsonValue>();
    this.#enter();
    let code = scanner.skipBlanks();
    let isFirst = true;
    while (code !== CLOSE_BRACE) {
      if (!isFirst) {
        if (code !== COMMA) scanner.failHere('expected `,` or `}`', 'an object');
        scanner.pos++;
        code = scanner.skipBlanks();
        if (code === CLOSE_BRACE) scanner.failHere('trailing comma');
      }
      if (code !== QUOTE) {
        scanner.failHere('key must be a string', isFirst ? 'an object' : 'a value');
      }
      this.#member(members);
      isFirst = false;
      code = scanner.skipBlanks();
    }
    this.#leave();
    return members;
  }

  #member(members: Map<string, JsonValue>): void {
    const scanner = this.#scanner;
    const key = scanner.string();
    if (scanner.skipBlanks() !== COLON) scanner.failHere('expected `:`', 'an object');
    scanner.pos++;
    scanner.skipBlanks();
    const start = scanner.pos;
    members.set(key, this.#value());
    // Depth 1 inside an object means that the root is that object.
    if (this.#depth === 1 && key === this.#wantedMember) {
      this.wantedText = scanner.text.slice(start, scanner.pos);
    }
  }

  #enter(): void {
    if (++this.#depth === JSON_DEPTH_LIMIT) this.#scanner.failHere('recursion limit exceeded');
    this.#scanner.pos++;
  }

  #leave(): void {
    this.#depth--;
    this.#scanner.pos++;
  }
}
