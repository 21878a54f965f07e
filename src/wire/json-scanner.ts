/**
 * Characters, strings and numbers of a JSON text, with positions for messages; the grammar of nested values is in
 * `json.ts`.
 */

/** A number that was written with a fraction or an exponent although its value is a safe integer, e.g. `2.0`. */
export class JsonFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** The only error `parseJson` throws. `message` ends in `at line L column C`; columns count UTF-8 bytes, from 1. */
export class JsonSyntaxError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(reason: string, line: number, column: number) {
    super(`${reason} at line ${line} column ${column}`);
    this.name = 'JsonSyntaxError';
    this.line = line;
    this.column = column;
  }
}

const MIN_INTEGER = -(2n ** 63n);
const MAX_INTEGER = 2n ** 64n - 1n;
/** No integer of the 64-bit range has more digits; longer ones need no exact value. */
const MAX_INTEGER_DIGITS = 20;
/** Integers of this many characters, sign included, are safe as doubles. */
const SAFE_INTEGER_CHARS = 15;

function integerValue(text: string): number | bigint {
  // Adding 0 turns the −0 of the literal `-0` into the integer 0.
  if (text.length <= SAFE_INTEGER_CHARS) return Number(text) + 0;
  if (text.length > MAX_INTEGER_DIGITS + 1) return Number(text);
  const exact = BigInt(text);
  const rounded = Number(exact);
  if (Number.isSafeInteger(rounded)) return rounded;
  return exact >= MIN_INTEGER && exact <= MAX_INTEGER ? exact : rounded;
}

const QUOTE = 0x22;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

export function isDigit(code: number): boolean {
  return code >= ZERO && code <= ZERO + 9;
}

/** Works on UTF-16 code units; `charCodeAt` gives NaN at the end, which equals no code. */
export class JsonScanner {
  readonly text: string;
  readonly #keepFloats: boolean;
  pos = 0;

  constructor(text: string, keepFloats: boolean) {
    this.text = text;
    this.#keepFloats = keepFloats;
  }

  /** At the first character of a number. */
  number(): number | bigint | JsonFloat {
    const start = this.pos;
    let isInteger = true;
    if (this.text.charCodeAt(this.pos) === MINUS) this.pos++;
    if (this.text.charCodeAt(this.pos) === ZERO) {
      this.pos++;
      if (isDigit(this.text.charCodeAt(this.pos))) this.failHere('invalid number');
    } else {
      this.#digits();
    }
    if (this.text.charCodeAt(this.pos) === DOT) {
      isInteger = false;
      this.pos++;
      this.#digits();
    }
    if ((this.text.charCodeAt(this.pos) | 0x20) === 0x65) {
      isInteger = false;
      this.pos++;
      const sign = this.text.charCodeAt(this.pos);
      if (sign === PLUS || sign === MINUS) this.pos++;
      this.#digits();
    }
    const literal = this.text.slice(start, this.pos);
    const value = isInteger ? integerValue(literal) : Number(literal);
    if (value === Infinity || value === -Infinity) this.fail('number out of range', this.pos);
    if (isInteger || !this.#keepFloats || !Number.isSafeInteger(value)) return value;
    return new JsonFloat(Number(value));
  }

  /** One digit or more. */
  #digits(): void {
    if (!isDigit(this.text.charCodeAt(this.pos))) this.failHere('invalid number', 'a value');
    while (isDigit(this.text.charCodeAt(this.pos))) this.pos++;
  }

  /** At the opening quote. */
  string(): string {
    this.pos++;
    let result = '';
    let start = this.pos;
    for (;;) {
      const code = this.text.charCodeAt(this.pos);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        result += this.text.slice(start, this.pos);
        this.pos++;
        result += this.#escape();
        start = this.pos;
      } else if (code >= FIRST_PRINTABLE) {
        this.pos++;
      } else {
        this.failHere(
          'control character (\\u0000-\\u001F) found while parsing a string',
          'a string',
        );
      }
    }
    result += this.text.slice(start, this.pos);
    this.pos++;
    return result;
  }

  #escape(): string {
    const letter = this.text[this.pos];
    if (letter === 'u') {
      this.pos++;
      return this.#unicodeEscape();
    }
    const plain = letter === undefined ? undefined : ESCAPES.get(letter);
    if (plain === undefined) return this.failHere('invalid escape', 'a string');
    this.pos++;
    return plain;
  }

  /** Half a surrogate pair has no UTF-8 form and is refused. */
  #unicodeEscape(): string {
    const first = this.#hex4();
    if (first < 0xd800 || first > 0xdfff) return String.fromCharCode(first);
    if (first >= 0xdc00) this.fail('lone leading surrogate in hex escape', this.pos);
    if (!this.text.startsWith('\\u', this.pos)) {
      this.failHere('unexpected end of hex escape', 'a string');
    }
    this.pos += 2;
    const second = this.#hex4();
    if (second < 0xdc00 || second > 0xdfff) {
      this.fail('lone leading surrogate in hex escape', this.pos);
    }
    return String.fromCharCode(first, second);
  }

  #hex4(): number {
    const digits = this.text.slice(this.pos, this.pos + 4);
    if (this.pos + 4 > this.text.length) {
      this.fail('EOF while parsing a string', this.text.length);
    }
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail('invalid escape', this.pos + 4);
    this.pos += 4;
    return parseInt(digits, 16);
  }

  /** At the first letter of `word`. */
  word<T extends boolean | null>(word: string, value: T): T {
    for (const letter of word) {
      if (this.text[this.pos] !== letter) return this.failHere('expected ident', 'a value');
      this.pos++;
    }
    return value;
  }

  /** @returns the code unit at the new position, NaN at the end. */
  skipBlanks(): number {
    for (;;) {
      const code = this.text.charCodeAt(this.pos);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.pos++;
    }
  }

  /** @param place what ends too early when the text is over, as in `EOF while parsing a list`. */
  failHere(reason: string, place?: string): never {
    if (place !== undefined && this.pos >= this.text.length) {
      this.fail(`EOF while parsing ${place}`, this.text.length);
    }
    this.fail(reason, Math.min(this.text.length, this.pos + 1));
  }

  /** @param endPos the column counted is that of the last character before it. */
  fail(reason: string, endPos: number): never {
    const before = this.text.slice(0, endPos);
    const lineStart = before.lastIndexOf('\n') + 1;
    const line = before.split('\n').length;
    throw new JsonSyntaxError(reason, line, Buffer.byteLength(before.slice(lineStart)));
  }
}
