/** Requests that are valid, or nearly: what mutations start from. All of them stay within the bucket `fuzz`. */
import { gzipSync } from 'node:zlib';
import type { Random } from './random.ts';

const ENTRIES = ['a', 'a/b', 'c-1', 'a/$meta', 'batch', 'q', 'x%2Fy', '%FF'] as const;
const NUMBERS = [
  '0',
  '-1',
  '1',
  '',
  '85',
  '1e9',
  '0x10',
  '4294967296',
  '9007199254740993',
  '18446744073709551615',
  '18446744073709551616',
  '99999999999999999999999999',
  'NaN',
] as const;
const CONDITIONS = [
  '{"&n":{"$gt":1}}',
  '{"$and":[{"&a":1},{"$each_n":2}]}',
  '{"$limit":3}',
  '{"$in":["&n",1,2]}',
  '{"$not":{"$not":{"$not":true}}}',
  `${'['.repeat(600)}${']'.repeat(600)}`,
  '{"&n":{"$nope":1}}',
  'null',
  '"x',
] as const;

const number = (random: Random): string =>
  random.chance(0.5) ? String(random.below(1000)) : random.pick(NUMBERS);

type Lines = string[];
interface Parts {
  readonly line: string;
  readonly headers: Lines;
  readonly body: Buffer;
}

function labels(random: Random, count: number): Lines {
  return Array.from(
    { length: count },
    (_, i) => `x-reduct-label-l${i}_${random.below(9)}: v${'x'.repeat(random.below(40))}`,
  );
}

function singleWrite(random: Random): Parts {
  const path = `/b/fuzz/${random.pick(ENTRIES)}?ts=${number(random)}`;
  const size = random.chance(0.05) ? 1_500_000 : random.below(2000);
  const body = Buffer.alloc(size, random.below(256));
  return { line: `POST ${path}`, headers: labels(random, random.below(6)), body };
}

function batchWrite(random: Random): Parts {
  const count = random.below(85);
  const headers = Array.from({ length: count }, (_, i) => {
    const pairs = random.chance(0.5) ? ',a=1,b="x, y"' : '';
    return `x-reduct-time-${random.chance(0.02) ? number(random) : i}: 10,text/plain${pairs}`;
  });
  return {
    line: `POST /b/fuzz/${random.pick(ENTRIES)}/batch`,
    headers,
    body: Buffer.alloc(count * 10, 'b'),
  };
}

function multiWrite(random: Random): Parts {
  const count = random.below(60);
  const headers = ['x-reduct-entries: a,a%2Fb,c-1', `x-reduct-start-ts: ${number(random)}`];
  if (random.chance(0.5)) headers.push('x-reduct-labels: n,m');
  for (let i = 0; i < count; i++) {
    const value = i < 3 ? '5,text/plain,0=1' : random.pick(['5', '5,', '5,,0=2', '5,x', '5,,9=1']);
    headers.push(`x-reduct-${i % 3}-${i}: ${value}`);
  }
  const method = random.pick([
    'POST /io/fuzz/write',
    'PATCH /io/fuzz/update',
    'DELETE /io/fuzz/remove',
  ]);
  return { line: method, headers, body: Buffer.alloc(count * 5, 'm') };
}

function query(random: Random): Parts {
  const entries = random.pick(['null', '["*"]', '["a/**/b","!c"]', '[1]', '[]']);
  const body =
    `{"query_type":"${random.pick(['QUERY', 'REMOVE', 'X'])}","start":${random.below(50)},` +
    `"ttl":${random.pick(['0', '1', '60'])},"continuous":${random.chance(0.3)},` +
    `"entries":${entries},"when":${random.pick(CONDITIONS)}}`;
  const path = random.pick(['/b/fuzz/a/q', '/io/fuzz/q', '/b/fuzz/absent/q']);
  return { line: `POST ${path}`, headers: [], body: Buffer.from(body) };
}

function read(random: Random): Parts {
  const entry = random.pick(ENTRIES);
  const id = number(random);
  const path = random.pick([
    '/info',
    '/list',
    '/me',
    '/alive',
    '/b/fuzz',
    `/b/fuzz/${entry}`,
    `/b/fuzz/${entry}?ts=${id}`,
    `/b/fuzz/${entry}?q=${id}`,
    `/b/fuzz/${entry}/batch?q=${id}`,
    `/b/fuzz/${entry}/q?start=${id}&stop=${number(random)}&limit=${number(random)}`,
    '/io/fuzz/read',
    `/links/x?ct=${id}&s=${id}&n=${id}&i=fuzz`,
    '/replications',
    '/lifecycles',
    '/tokens/%00',
    '/b/%ff/%fe',
    '/metrics',
  ]);
  const headers = [`x-reduct-query-id: ${id}`, `range: bytes=${id}-${number(random)}`];
  return { line: `${random.pick(['GET', 'HEAD', 'OPTIONS'])} ${path}`, headers, body: NOTHING };
}

function change(random: Random): Parts {
  const entry = random.pick(ENTRIES);
  const line = random.pick([
    `PATCH /b/fuzz/${entry}?ts=${number(random)}`,
    `DELETE /b/fuzz/${entry}?ts=${number(random)}`,
    `DELETE /b/fuzz/${entry}`,
    `DELETE /b/fuzz/${entry}/q?start=${number(random)}`,
    `PUT /b/fuzz/${entry}/rename`,
    'PUT /b/fuzz/rename',
    'PUT /b/fuzz',
    'POST /b/fuzz',
    'POST /tokens/x',
    'POST /lifecycles/x',
    'POST /links/x.bin',
    'TRACE /info',
  ]);
  const body = random.pick([
    '{"new_name":"a/z"}',
    '{"quota_type":"FIFO","quota_size":1000000}',
    '{"bucket":"fuzz","entry":"a","record_entry":"a","record_timestamp":1,"expire_at":9999999999,"query":{"query_type":"QUERY"}}',
    '{"permissions":{"full_access":true}}',
    '{',
    '',
  ]);
  return { line, headers: labels(random, 2), body: Buffer.from(body) };
}

const NOTHING = Buffer.alloc(0);
const KINDS = [singleWrite, batchWrite, multiWrite, query, read, change] as const;

function chunked(body: Buffer, random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const size = 1 + random.below(body.length);
    const part = body.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
    at += size;
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** One request as bytes. @param token a token that may read and write the bucket `fuzz` and nothing else. */
export function makeRequest(random: Random, token: string): Buffer {
  const { line, headers, body } = random.pick(KINDS)(random);
  const lines = [`${line.replace(' ', ' /api/v1')} HTTP/1.1`, 'host: fuzz', ...headers];
  if (random.chance(0.95)) lines.push(`authorization: Bearer ${token}`);
  if (random.chance(0.1)) lines.push('expect: 100-continue');
  if (random.chance(0.05)) lines.push(`connection: ${random.pick(['close', 'upgrade', 'x'])}`);
  let content = body;
  if (random.chance(0.1)) {
    lines.push(`content-encoding: ${random.pick(['gzip', 'zstd', 'br', 'identity'])}`);
    if (random.chance(0.5)) content = gzipSync(body);
  }
  if (random.chance(0.1)) {
    lines.push('transfer-encoding: chunked', `x-reduct-content-length: ${body.length}`);
    content = chunked(content, random);
  } else if (random.chance(0.97)) {
    const isWrong = random.chance(0.08);
    lines.push(`content-length: ${isWrong ? random.pick(NUMBERS) : content.length}`);
  }
  if (random.chance(0.03)) lines.push(...flood(random));
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), content]);
}

/** More header lines, or longer ones, than any server takes. */
function flood(random: Random): Lines {
  const count = 60 + random.below(400);
  return Array.from({ length: count }, (_, i) => `x-flood-${i}: ${'f'.repeat(random.below(3000))}`);
}

/** Bytes changed, removed, doubled, cut, or replaced by numbers and line ends that hurt. */
export function mutate(request: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(request);
  for (let times = random.below(6); times >= 0; times--) {
    const at = random.below(Math.min(bytes.length, random.chance(0.9) ? 600 : bytes.length));
    const head = bytes.subarray(0, at);
    const tail = bytes.subarray(at);
    const length = random.below(30);
    bytes = random.pick([
      () => Buffer.concat([head, random.bytes(1), tail.subarray(1)]),
      () => Buffer.concat([head, tail.subarray(length)]),
      () => Buffer.concat([head, tail.subarray(0, length), tail]),
      () => Buffer.concat([head, random.bytes(length), tail]),
      () => Buffer.concat([head, Buffer.from(random.pick(NUMBERS)), tail]),
      () =>
        Buffer.concat([
          head,
          Buffer.from(random.pick(['\r', '\n', '\r\n', '\0', ': ', ',', '"', '%'])),
          tail,
        ]),
      () => head,
    ])();
    if (bytes.length === 0) return Buffer.from('\r\n');
  }
  return bytes;
}
