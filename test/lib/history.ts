/** Random histories of one bucket: each step is done over HTTP and to a model, and both have to agree. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Answer, Api } from './api.ts';
import type { RunningInstance } from './instance.ts';
import type { BucketModel, Labels } from './record-model.ts';

/** Enough names for parents, descendants, renames into and out of each other. */
export const ENTRY_NAMES = ['a', 'a/b', 'c', 'd/e'] as const;

const entry = fc.constantFrom(...ENTRY_NAMES);
const ts = fc.bigInt({ min: 0n, max: 40n });
const times = fc.uniqueArray(ts, { minLength: 1, maxLength: 12 });
const value = fc.constantFrom('1', '2', 'x y');
const labels = fc.dictionary(fc.constantFrom('p', 'q', 'r'), value, { maxKeys: 2 });
const operations = fc.dictionary(fc.constantFrom('p', 'q', 'r'), fc.oneof(value, fc.constant('')), {
  maxKeys: 3,
});
const protocol = fc.constantFrom('single', 'v1', 'v2');
const optionalTs = fc.option(ts, { nil: undefined });

export const stepArbitrary = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('write'), protocol, entry, times, labels }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('update'),
      protocol,
      entry,
      changes: fc.uniqueArray(fc.tuple(ts, operations), {
        selector: ([at]) => at,
        minLength: 1,
        maxLength: 6,
      }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove'), protocol, entry, times }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('query'),
      entry,
      start: optionalTs,
      stop: optionalTs,
      label: fc.constantFrom(undefined, ['p', '1'] as const, ['q', '2'] as const),
      isMulti: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('rename'),
      entry,
      to: fc.constantFrom('a', 'c', 'd', 'a/b/f', 'n/m', 'z'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop'), entry }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renameBucket') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('settings'),
      maxRecords: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart') }) },
);
export type Step = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** One bucket under test; replaced in place by restarts and renames. */
export interface Subject {
  instance: RunningInstance;
  bucket: string;
  readonly model: BucketModel;
}

const byTime = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

let written = 0;

export async function doStep(subject: Subject, step: Step): Promise<void> {
  switch (step.kind) {
    case 'write':
      return write(subject, step);
    case 'update':
      return update(subject, step);
    case 'remove':
      return remove(subject, step);
    case 'query':
      return removeByQuery(subject, step);
    case 'rename':
      return rename(subject, step);
    case 'drop':
      return drop(subject, step.entry);
    case 'renameBucket':
      return renameBucket(subject);
    case 'settings': {
      const body = JSON.stringify({ max_block_records: step.maxRecords });
      await subject.instance.api.ok('PUT', `/b/${subject.bucket}`, {}, body);
      return;
    }
    case 'restart':
      return restart(subject);
  }
}

/** Everything that is told of the bucket, sizes above all, is the same afterwards. */
export async function restart(subject: Subject): Promise<void> {
  const told = async (): Promise<string> =>
    (await subject.instance.api.ok('GET', `/b/${subject.bucket}`)).text;
  const before = await told();
  subject.instance = await subject.instance.restart();
  expect(await told()).toBe(before);
}

type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>;

/** One request for records of one entry, in any of the protocols; single requests are sent all at once. */
async function send(
  { instance: { api }, bucket }: Subject,
  operation: 'write' | 'update' | 'remove',
  how: string,
  name: string,
  records: readonly { readonly ts: bigint; readonly payload: string; readonly labels: Labels }[],
): Promise<Map<bigint, number>> {
  const method = { write: 'POST', update: 'PATCH', remove: 'DELETE' } as const;
  const statuses = new Map<bigint, number>();
  if (how === 'single') {
    const answers = records.map(async ({ ts: at, payload, labels: own }) => {
      const headers = Object.entries(own).map(([key, text]) => [`x-reduct-label-${key}`, text]);
      const path = `/b/${bucket}/${name}?ts=${at}`;
      const body = operation === 'write' ? payload : undefined;
      const answer = await api.call(method[operation], path, Object.fromEntries(headers), body);
      statuses.set(at, answer.status);
    });
    await Promise.all(answers);
    return statuses;
  }
  const values = records.map(({ ts: at, payload, labels: own }) => {
    const pairs = Object.entries(own).map(([key, text]) => `,${key}=${text}`);
    const head = how === 'v1' ? `x-reduct-time-${at}` : `x-reduct-0-${at}`;
    return [head, `${operation === 'write' ? payload.length : 0},text/plain${pairs.join('')}`];
  });
  const extra = { 'x-reduct-entries': encodeURIComponent(name), 'x-reduct-start-ts': '0' };
  const headers = { ...(how === 'v2' ? extra : {}), ...Object.fromEntries(values) };
  const path = how === 'v1' ? `/b/${bucket}/${name}/batch` : `/io/${bucket}/${operation}`;
  const body = operation === 'write' ? records.map(({ payload }) => payload).join('') : undefined;
  const answer = await api.call(method[operation], path, headers, body);
  const errors = recordErrors(answer);
  for (const { ts: at } of records) {
    statuses.set(at, answer.status === 200 ? (errors.get(at) ?? 200) : answer.status);
  }
  return statuses;
}

function recordErrors({ headers }: Answer): Map<bigint, number> {
  const errors = new Map<bigint, number>();
  for (const [name, text] of Object.entries(headers)) {
    const ts = /^x-reduct-error-(?:0-)?([0-9]+)$/.exec(name)?.[1];
    if (ts !== undefined) errors.set(BigInt(ts), Number(String(text).slice(0, 3)));
  }
  return errors;
}

async function write(subject: Subject, step: StepOf<'write'>): Promise<void> {
  const { protocol: how, entry: name, labels: own } = step;
  const records = step.times.toSorted(byTime).map((at) => ({
    ts: at,
    payload: `${name}@${at}#${written++}`,
    // A later record of protocol v2 takes over the labels of the one before, so all have the same.
    labels: own,
  }));
  const statuses = await send(subject, 'write', how, name, records);
  for (const { ts: at, payload } of records) {
    const isNew = subject.model.write(name, at, { payload, labels: own });
    expect([at, statuses.get(at)]).toEqual([at, isNew ? 200 : 409]);
  }
}

async function update(subject: Subject, step: StepOf<'update'>): Promise<void> {
  const { protocol: how, entry: name } = step;
  const sorted = step.changes.toSorted(([a], [b]) => byTime(a, b));
  const records = sorted.map(([at, own]) => ({ ts: at, payload: '', labels: own }));
  const statuses = await send(subject, 'update', how, name, records);
  let accumulated: Labels = {};
  for (const [at, own] of sorted) {
    accumulated = how === 'v2' ? { ...accumulated, ...own } : own;
    const isThere = subject.model.update(name, at, accumulated);
    expect([at, statuses.get(at)]).toEqual([at, isThere ? 200 : 404]);
  }
}

async function remove(subject: Subject, step: StepOf<'remove'>): Promise<void> {
  const { protocol: how, entry: name } = step;
  const records = step.times.map((at) => ({ ts: at, payload: '', labels: {} }));
  const statuses = await send(subject, 'remove', how, name, records);
  for (const at of step.times) {
    const wasThere = subject.model.remove(name, at);
    expect([at, statuses.get(at)]).toEqual([at, wasThere ? 200 : 404]);
  }
}

async function removeByQuery(subject: Subject, step: StepOf<'query'>): Promise<void> {
  const { entry: name, start, stop, label, isMulti } = step;
  const { model, bucket, instance } = subject;
  if (!isMulti) model.ensure(name);
  const range = model.resolve(name, { start, stop });
  const isImpossible = range.start > range.stop;
  const isKind = isMulti || (model.times(name).length === 0 && stop === undefined);
  const document = {
    query_type: 'REMOVE',
    strict: false,
    ...(start === undefined ? {} : { start: Number(start) }),
    ...(stop === undefined ? {} : { stop: Number(stop) }),
    ...(label === undefined ? {} : { when: { [`&${label[0]}`]: { $eq: Number(label[1]) } } }),
    ...(isMulti ? { entries: [name] } : {}),
  };
  const path = isMulti ? `/io/${bucket}/q` : `/b/${bucket}/${name}/q`;
  const answer = await instance.api.call('POST', path, {}, JSON.stringify(document));
  if (isImpossible && !isKind) {
    expect(answer.status).toBe(422);
    return;
  }
  const removed = model.removeWhere(name, { start, stop }, label);
  expect([answer.status, answer.text]).toEqual([200, `{"removed_records":${removed}}`]);
}

async function rename(subject: Subject, { entry: from, to }: StepOf<'rename'>): Promise<void> {
  const { instance, bucket, model } = subject;
  const body = JSON.stringify({ new_name: to });
  const answer = await instance.api.call('PUT', `/b/${bucket}/${from}/rename`, {}, body);
  expect(answer.status).toBe(model.rename(from, to));
}

async function drop(subject: Subject, name: string): Promise<void> {
  const { instance, bucket, model } = subject;
  const answer = await instance.api.call('DELETE', `/b/${bucket}/${name}`);
  expect(answer.status).toBe(model.drop(name));
  while (answer.status === 200) {
    const { text } = await instance.api.ok('GET', `/b/${bucket}`);
    if (!text.includes('"DELETING"')) return;
  }
}

async function renameBucket(subject: Subject): Promise<void> {
  const { instance, bucket } = subject;
  subject.bucket = bucket === 'one' ? 'two' : 'one';
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ new_name: subject.bucket });
  await instance.api.ok('PUT', `/b/${bucket}/rename`, headers, body);
}

interface EntryDocument {
  readonly name: string;
  readonly size: number;
  readonly record_count: number;
  readonly block_count: number;
  readonly oldest_record: number;
  readonly latest_record: number;
}

/** Everything a client can see of the bucket is what the model says. */
export async function compare({ instance: { api }, bucket, model }: Subject): Promise<void> {
  const { text } = await api.ok('GET', `/b/${bucket}`);
  const document = JSON.parse(text) as { info: { size: number }; entries: EntryDocument[] };
  const names = [...model.entries.keys()].sort();
  expect(document.entries.map(({ name }) => name)).toEqual(names);
  let size = 0;
  for (const found of document.entries) {
    const ordered = model.times(found.name);
    expect(found).toMatchObject({
      record_count: ordered.length,
      oldest_record: Number(ordered[0] ?? 0n),
      latest_record: Number(ordered.at(-1) ?? 0n),
    });
    expect(found.block_count === 0).toBe(ordered.length === 0);
    expect(found.size === 0).toBe(ordered.length === 0);
    size += found.size;
    await compareRecords(api, bucket, found.name, model);
  }
  expect(document.info.size).toBe(size);
}

async function compareRecords(
  api: Api,
  bucket: string,
  name: string,
  model: BucketModel,
): Promise<void> {
  const records = await api.readAll(bucket, name);
  const seen = records.map(({ ts: at, payload, labels: own }) => [at, payload.toString(), own]);
  const wanted = model.times(name).map((at) => {
    const record = model.entries.get(name)?.get(at);
    return [at, record?.payload, record?.labels];
  });
  expect(seen).toEqual(wanted);
}
