import { describe, expect, test } from 'vitest';
import { UNREADABLE_STATUS, type RecordError } from '../../src/replication/answer-headers.ts';
import {
  AUTH_WAIT_MS,
  decideRecord,
  decideRequest,
  QUOTA_WAIT_MS,
  type Phase,
  type RequestAction,
  type RequestContext,
} from '../../src/replication/outcome.ts';

const PHASES: readonly Phase[] = ['check', 'create', 'write', 'write-single', 'update'];
const KEPT = { action: 'retry-later', failure: 'refused', retryAfterMs: null };

interface Answer {
  readonly status: number;
  readonly message?: string;
  readonly retryAfterMs?: number;
  readonly recordErrors?: ReadonlyMap<bigint, RecordError>;
}

function decide(
  phase: Phase,
  answer: Answer,
  context: Partial<RequestContext> = {},
): RequestAction {
  const isBucket = phase === 'check' || phase === 'create';
  const recordCount = isBucket ? 0 : phase === 'write-single' ? 1 : 85;
  return decideRequest(
    { phase, recordCount, earlierRefusals: 0, updateOnly: false, ...context },
    {
      kind: 'answer',
      status: answer.status,
      message: answer.message ?? 'Unknown',
      retryAfterMs: answer.retryAfterMs ?? null,
      recordErrors: answer.recordErrors ?? new Map(),
    },
  );
}

function actionOf(phase: Phase, status: number, context: Partial<RequestContext> = {}): string {
  return decide(phase, { status }, context).action;
}

describe('in every phase', () => {
  test.each([401, 403])('%i waits for another token', (status) => {
    for (const phase of PHASES) {
      expect(decide(phase, { status })).toEqual({ action: 'auth-wait', waitMs: AUTH_WAIT_MS });
    }
  });

  test.each([429, 500, 502, 503, 504, 507, 520, 302, 402, 408, 410, 425])(
    '%i keeps the records and backs off',
    (status) => {
      for (const phase of PHASES) expect(decide(phase, { status })).toEqual(KEPT);
    },
  );

  test('the wish of the target is handed on', () => {
    for (const phase of PHASES) {
      expect(decide(phase, { status: 429, retryAfterMs: 7_000 })).toEqual({
        ...KEPT,
        retryAfterMs: 7_000,
      });
    }
  });

  test.each(['unreachable', 'lost', 'refused'] as const)(
    'a failure of kind %s keeps the records',
    (kind) => {
      for (const phase of PHASES) {
        const context = { phase, recordCount: 1, earlierRefusals: 99, updateOnly: false };
        const failure = { key: -6, kind, message: 'x' } as const;
        expect(decideRequest(context, { kind: 'failure', failure })).toEqual({
          action: 'retry-later',
          failure: kind,
          retryAfterMs: null,
        });
      }
    },
  );
});

describe('the bucket', () => {
  test('is available after any 2xx', () => {
    expect(actionOf('check', 200)).toBe('available');
    expect(actionOf('create', 200)).toBe('available');
    expect(actionOf('create', 204)).toBe('available');
  });

  test('is created when it is missing, and asked for again when someone was faster', () => {
    expect(actionOf('check', 404)).toBe('create-bucket');
    expect(actionOf('create', 409)).toBe('recheck-target');
  });

  test.each([400, 405, 413, 422, 431])('refused with %i is asked for later', (status) => {
    expect(decide('check', { status })).toEqual(KEPT);
    expect(decide('create', { status })).toEqual(KEPT);
  });

  test('that cannot be created since its host knows no such path is asked for later', () => {
    expect(decide('create', { status: 404 })).toEqual(KEPT);
  });
});

describe('a batch', () => {
  test('is delivered by any 2xx without errors', () => {
    expect(decide('write', { status: 200 })).toEqual({ action: 'delivered', records: new Map() });
    expect(decide('write', { status: 204 })).toEqual({ action: 'delivered', records: new Map() });
  });

  test('has an action for each record that failed', () => {
    const recordErrors = new Map([
      [1n, { status: 409, message: 'A record with timestamp 1 already exists' }],
      [2n, { status: 404, message: "Bucket 'b' is not found" }],
      [3n, { status: 422, message: 'no' }],
    ]);
    expect(decide('write', { status: 200, recordErrors })).toEqual({
      action: 'delivered',
      records: new Map([
        [1n, { action: 'duplicate-check' }],
        [2n, { action: 'recheck-target' }],
        [3n, { action: 'dead-letter' }],
      ]),
    });
  });

  test('ignores per-record errors of a refusal', () => {
    const recordErrors = new Map([[1n, { status: 422, message: 'no' }]]);
    expect(decide('write', { status: 503, recordErrors })).toEqual(KEPT);
  });

  test.each([400, 413, 422, 431])('refused with %i is halved down to one record', (status) => {
    expect(actionOf('write', status, { recordCount: 2 })).toBe('split');
    expect(actionOf('write', status, { recordCount: 1 })).toBe('dead-letter');
    expect(actionOf('write-single', status)).toBe('dead-letter');
  });

  test.each([405, 409, 414, 415])('refused with %i is kept for a few tries', (status) => {
    for (const earlierRefusals of [0, 1, 2, 3]) {
      expect(decide('write', { status }, { earlierRefusals, recordCount: 1 })).toEqual(KEPT);
    }
    expect(actionOf('write', status, { earlierRefusals: 4, recordCount: 2 })).toBe('split');
    expect(actionOf('write', status, { earlierRefusals: 4, recordCount: 1 })).toBe('dead-letter');
  });

  test('to a bucket that is gone or going sends the task back to the start, at any try', () => {
    const context = { earlierRefusals: 99, recordCount: 1 };
    const deleting = { status: 409, message: "Bucket 'b' is being deleted" };
    expect(actionOf('write', 404, context)).toBe('recheck-target');
    expect(decide('write', deleting, context)).toEqual({ action: 'recheck-target' });
    expect(decide('write-single', deleting, context)).toEqual({ action: 'recheck-target' });
  });

  test.each([
    'Timeout while receiving data',
    'Content is shorter than expected: no more data to read',
  ])('of which the target got only a part (%s) is sent again', (message) => {
    expect(decide('write', { status: 400, message }, { recordCount: 1 })).toEqual({
      action: 'retry-later',
      failure: 'lost',
      retryAfterMs: null,
    });
  });

  test('beyond the quota waits for room', () => {
    const full = { status: 400, message: "Quota of 'b' exceeded" };
    const wait = { action: 'retry-later', failure: 'refused', retryAfterMs: QUOTA_WAIT_MS };
    expect(decide('write', full, { recordCount: 1 })).toEqual(wait);
    expect(decide('write-single', full)).toEqual(wait);
  });
});

describe('one record sent on its own', () => {
  test('is delivered by 2xx and compared after 409', () => {
    expect(actionOf('write-single', 200)).toBe('delivered');
    expect(actionOf('write-single', 409)).toBe('duplicate-check');
  });
});

describe('a record of a written batch', () => {
  function action(status: number, message = 'x'): unknown {
    return decideRecord({ phase: 'write', updateOnly: false }, { status, message });
  }

  test.each([408, 425, 429, 500, 501, 502, 503, 504, 507, 599, UNREADABLE_STATUS])(
    'with %i is sent again later',
    (status) => {
      expect(action(status)).toEqual(KEPT);
    },
  );

  test('beyond the quota waits for room', () => {
    expect(action(400, "Quota of 'b' exceeded")).toEqual({ ...KEPT, retryAfterMs: QUOTA_WAIT_MS });
  });

  test.each([401, 403])('with %i waits for another token', (status) => {
    expect(action(status)).toEqual({ ...KEPT, retryAfterMs: AUTH_WAIT_MS });
  });

  test.each([400, 405, 413, 422])('with %i goes to the dead letters', (status) => {
    expect(action(status)).toEqual({ action: 'dead-letter' });
  });

  test('whose bucket or entry is going is kept', () => {
    expect(action(404)).toEqual({ action: 'recheck-target' });
    expect(action(409, "Entry 'e' in bucket 'b' is being deleted")).toEqual({
      action: 'recheck-target',
    });
  });
});

describe('label updates', () => {
  test('are written in full where the target refuses a record, whatever the code', () => {
    for (const status of [400, 404, 409, 422, 500]) {
      expect(
        decideRecord({ phase: 'update', updateOnly: false }, { status, message: 'x' }),
      ).toEqual({ action: 'write-in-full' });
    }
  });

  test.each([404, 405])('are written in full after %i for the request', (status) => {
    expect(actionOf('update', status)).toBe('write-in-full');
  });

  test('of records that were written a moment ago wait for what passes, and are refused otherwise', () => {
    const context = { phase: 'update', updateOnly: false, isFollowUp: true } as const;
    expect(decideRecord(context, { status: 503, message: 'x' })).toEqual(KEPT);
    for (const status of [404, 422]) {
      expect(decideRecord(context, { status, message: 'x' })).toEqual({ action: 'dead-letter' });
    }
    const noBucket = { status: 404, message: "Bucket 'b' is not found" };
    expect(decide('update', noBucket, context)).toEqual({ action: 'recheck-target' });
    expect(decideRecord(context, noBucket)).toEqual({ action: 'recheck-target' });
    expect(decide('update', { status: 404 }, context)).toEqual({ action: 'dead-letter' });
    expect(decide('update', { status: 503 }, context)).toEqual(KEPT);
  });

  test('fail like a batch otherwise', () => {
    expect(actionOf('update', 422)).toBe('split');
    expect(actionOf('update', 503)).toBe('retry-later');
    expect(actionOf('update', 200)).toBe('delivered');
  });
});

describe('label updates of a task that samples', () => {
  const context = { phase: 'update', updateOnly: true } as const;

  test('bring no record in', () => {
    const missing = { status: 404, message: 'Record 1 not found in entry b/e' };
    expect(decideRecord(context, missing)).toEqual({ action: 'nothing-to-update' });
    const noEntry = { status: 404, message: "Entry 'e' not found in bucket 'b'" };
    expect(decide('update', noEntry, context)).toEqual({ action: 'nothing-to-update' });
  });

  test('wait for a missing bucket', () => {
    const missing = { status: 404, message: "Bucket 'b' is not found" };
    expect(decideRecord(context, missing)).toEqual({ action: 'recheck-target' });
    expect(decide('update', missing, context)).toEqual({ action: 'recheck-target' });
  });

  test('are retried or set aside like writes', () => {
    expect(decideRecord(context, { status: 503, message: 'x' })).toEqual(KEPT);
    for (const status of [409, 422]) {
      expect(decideRecord(context, { status, message: 'x' })).toEqual({ action: 'dead-letter' });
    }
    expect(decide('update', { status: 405 }, context)).toEqual(KEPT);
  });
});
