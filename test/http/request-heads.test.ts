import { setImmediate as turn } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FrontHarness } from '../lib/front-harness.ts';
import { useFront } from '../lib/front-harness.ts';
import { connectRaw } from '../lib/raw-http.ts';
import type { RawConnection } from '../lib/raw-http.ts';

const open = useFront({ token: 'secret' });
const AUTH = 'authorization: Bearer secret\r\n';
const START = 'GET /api/v1/alive HTTP/1.1\r\nhost: t\r\n';
/** The build whose parser src/http/uws-corrections.ts corrects; others answer 431, or close the connection in time. */
const isCorrected =
  process.versions.modules === '115' && `${process.platform}-${process.arch}` === 'linux-x64';
let front: FrontHarness;

beforeAll(async () => {
  front = open();
  await front.api('POST', '/b/data');
});

/** A head with this many header lines, the end of it included. */
function headOfLines(lines: number): string {
  let head = START;
  for (let line = 1; line < lines; line++) head += `x-other-${line}: value\r\n`;
  return `${head}\r\n`;
}

async function sendPieces(text: string, pieceChars: number): Promise<RawConnection> {
  const connection = await connectRaw(front.port);
  let isClosed = false;
  void connection.closed.then(() => {
    isClosed = true;
  });
  for (let at = 0; at < text.length && !isClosed; at += pieceChars) {
    await connection.send(Buffer.from(text.slice(at, at + pieceChars), 'latin1'));
    await turn();
  }
  return connection;
}

/** Everything that is answered until the server closes the connection. */
async function wholeAnswer(text: string, pieceChars: number = Infinity): Promise<string> {
  const connection = await sendPieces(text, pieceChars);
  return (await connection.rest()).toString('latin1');
}

describe.runIf(isCorrected)('the number of header lines', () => {
  test.each([1, 97, 98])('%d lines are served, also in pieces', async (lines) => {
    for (const pieceChars of [Infinity, 100, 7]) {
      const connection = await sendPieces(headOfLines(lines), pieceChars);
      expect((await connection.response()).status).toBe(200);
      connection.destroy();
    }
  });

  test.each([99, 150, 5000])('%d lines are answered 431 at once', async (lines) => {
    expect(await wholeAnswer(headOfLines(lines))).toMatch(/^HTTP\/1\.1 431 /);
  });

  // The answer may be lost in the kernel where more of the head was under way; the end of the connection is not.
  test.each([
    [99, 7],
    [99, 1],
    [150, 64],
    [5000, 1000],
  ])('%d lines in pieces of %d bytes end with their 99th', async (lines, pieceChars) => {
    expect(await wholeAnswer(headOfLines(lines), pieceChars)).toMatch(/^(HTTP\/1\.1 431 |$)/);
  });

  test('the 431 does not wait for the end of a head that is sent slowly', async () => {
    const connection = await connectRaw(front.port);
    const lines = headOfLines(99).split('\r\n').slice(0, -2);
    for (const line of lines) {
      await connection.send(`${line}\r\n`);
      await turn();
    }
    // Its last line has begun, the head has no end.
    await connection.send('x');
    expect((await connection.rest()).toString('latin1')).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('a request behind one that was served on the same connection is counted anew', async () => {
    const connection = await connectRaw(front.port);
    for (let request = 0; request < 3; request++) {
      await connection.send(headOfLines(98));
      expect((await connection.response()).status).toBe(200);
    }
    await connection.send(headOfLines(99));
    expect((await connection.rest()).toString('latin1')).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('a write with too many lines stores nothing, and others are served meanwhile', async () => {
    const lines = Array.from({ length: 99 }, (_, i) => `x-reduct-time-${i}: 1,`).join('\r\n');
    const head = `POST /api/v1/b/data/many/batch HTTP/1.1\r\nhost: t\r\n${AUTH}content-length: 99\r\n${lines}\r\n\r\n`;
    const connection = await connectRaw(front.port);
    await connection.send(head + 'x'.repeat(99));
    expect((await front.api('GET', '/alive')).status).toBe(200);
    await connection.closed;
    expect((await front.api('GET', '/b/data/many')).status).toBe(404);
  });
});

describe.runIf(isCorrected)('names of headers', () => {
  test.each("!#$%&'*+-.^_`|~0".split(''))('a name may hold %s', async (char) => {
    const name = `x-reduct-label-a${char}B`;
    const ts = char.charCodeAt(0);
    const connection = await connectRaw(front.port);
    await connection.send(
      `POST /api/v1/b/data/names?ts=${ts} HTTP/1.1\r\nhost: t\r\n${AUTH}${name}: v\r\ncontent-length: 1\r\n\r\nx`,
    );
    expect((await connection.response()).status).toBe(200);
    connection.destroy();
    const read = await front.api('GET', `/b/data/names?ts=${ts}`);
    expect(read.header(`x-reduct-label-a${char}b`)).toBe('v');
  });

  test.each(' "(),/;<=>?@[\\]{}\t\x00\x01\x1f\x7f\x80\xff'.split(''))(
    'a name with %j is answered 400 at once',
    async (char) => {
      expect(await wholeAnswer(`${START}x-a${char}b: v\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
      expect(await wholeAnswer(`${START}${char}longer-name-than-a-word: v\r\n`)).toMatch(
        /^HTTP\/1\.1 400 /,
      );
    },
  );
});

describe.runIf(isCorrected)('heads that nothing can complete are answered at once', () => {
  test.each([
    ['no header line', 'GET /api/v1/alive HTTP/1.1\r\n\r\n', 400],
    ['a line without a colon', `${START}name\r\n\r\n`, 400],
    ['a control character in a value', `${START}x-a: b\x01c\r\n\r\n`, 400],
    ['a CR alone in a value', `${START}x-a: b\rac\r\n\r\n`, 400],
    ['a CR alone at the end', `${START}x-a: b\r\n\rac`, 400],
    ['lines that end in LF alone', 'GET /api/v1/alive HTTP/1.1\nhost: t\n\n', 505],
    ['a CR alone in the request line', 'GET /api/v1/alive HTTP/1.1\rahost: t\r\n\r\n', 505],
    ['a PROXY header, text form', `PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n${START}\r\n`, 505],
    [
      'a PROXY header, binary form',
      `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02${START}\r\n`,
      505,
    ],
  ])('%s: whole and byte by byte', async (_what, text, status) => {
    const expected = new RegExp(`^HTTP/1\\.1 ${status} `);
    expect(await wholeAnswer(text)).toMatch(expected);
    expect(await wholeAnswer(text, 1)).toMatch(new RegExp(`${expected.source}|^$`));
  });

  test('a head that may still be completed is waited for at every byte', async () => {
    const text = `${START}x-A: b\r\nx.b_c~:\r\n\r\n`;
    const connection = await sendPieces(text, 1);
    expect((await connection.response()).status).toBe(200);
    connection.destroy();
  });
});

describe('a write with Expect that is refused from its head', () => {
  const head = (bytes: number): string =>
    `POST /api/v1/b/none/e?ts=1 HTTP/1.1\r\nhost: t\r\n${AUTH}expect: 100-continue\r\ncontent-length: ${bytes}\r\n\r\n`;

  // The library has sent its 100 by then, so the client owes the body.
  test.each([3, 70_000, 3_000_000])(
    'leaves the connection usable behind its body of %d bytes',
    async (bytes) => {
      const connection = await connectRaw(front.port);
      for (let round = 0; round < 3; round++) {
        await connection.send(head(bytes));
        expect((await connection.response()).status).toBe(100);
        expect((await connection.response()).status).toBe(404);
        await connection.send(Buffer.alloc(bytes, 'GET / HTTP/1.1\r\n\r\n'));
        await connection.send(`${START}\r\n`);
        expect((await connection.response()).status).toBe(200);
      }
      connection.destroy();
      expect(front.server.figures().requestsInFlight).toBe(0);
    },
  );

  test('costs nothing when the client goes away instead of sending it', async () => {
    const connection = await connectRaw(front.port);
    await connection.send(head(3_000_000));
    expect((await connection.response()).status).toBe(100);
    expect((await connection.response()).status).toBe(404);
    connection.destroy();
    await expect.poll(() => front.server.figures().requestsInFlight).toBe(0);
    expect(front.server.figures().uploads).toMatchObject({ heldBytes: 0, waiting: 0 });
  });
});
