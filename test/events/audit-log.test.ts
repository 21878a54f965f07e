import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AuditLog, MAX_OPEN_MS, QUIET_MS } from '../../src/events/audit-log.ts';
import { EventClock } from '../../src/events/event-clock.ts';
import type { AuditedRequest, SystemEvent } from '../../src/events/types.ts';

const REQUEST: AuditedRequest = {
  tokenName: 'sensor',
  method: 'post',
  path: '/api/v1/b/data/entry',
  clientIp: '10.0.0.5',
};

interface Harness {
  readonly log: AuditLog;
  readonly events: SystemEvent[];
  readonly stored: [string, number][];
}

function newLog(maxGroups?: number): Harness {
  const events: SystemEvent[] = [];
  const stored: [string, number][] = [];
  const log = new AuditLog({
    clock: new EventClock(() => 1_000_000),
    sink: { emit: (event) => events.push(event) },
    onStored: (name, timestampUs) => stored.push([name, timestampUs]),
    ...(maxGroups === undefined ? {} : { maxGroups }),
  });
  return { log, events, stored };
}

function calls(events: readonly SystemEvent[]): number {
  return events.reduce((sum, { fields }) => sum + Number(fields['call_count']), 0);
}

describe('a group of calls', () => {
  test('becomes one event with the number of calls and the time they took', () => {
    const { log, events, stored } = newLog();
    log.observe(REQUEST, 200, '', 250.1, 0);
    log.observe({ ...REQUEST }, 200, '', 500.2, 100);
    log.flushAll();
    const timestampUs = 1_000_000_000;
    expect(events).toMatchObject([
      { family: 'audit', name: 'sensor', timestampUs, status: 200, message: '' },
    ]);
    expect(events[0]?.fields).toEqual({
      token_name: 'sensor',
      method: 'POST',
      path: '/api/v1/b/data/entry',
      client_ip: '10.0.0.5',
      call_count: 2,
      duration: 0.7503,
    });
    expect(stored).toEqual([]);
    events[0]?.onStored?.();
    expect(stored).toEqual([['sensor', timestampUs]]);
  });

  test('is handed over after 5 s without a new call, not before', () => {
    const { log, events } = newLog();
    log.observe(REQUEST, 200, '', 1, 0);
    log.observe(REQUEST, 200, '', 1, 3_000);
    log.flushDue(3_000 + QUIET_MS - 1);
    expect(events).toEqual([]);
    log.flushDue(3_000 + QUIET_MS);
    expect(calls(events)).toBe(2);
    expect(log.figures).toMatchObject({ groups: 0, bytes: 0 });
  });

  test('is handed over after 60 s although calls go on, and a new one begins', () => {
    const { log, events } = newLog();
    for (let nowMs = 0; nowMs < MAX_OPEN_MS; nowMs += 1_000) {
      log.observe(REQUEST, 200, '', 1, nowMs);
      log.flushDue(nowMs);
    }
    expect(events).toEqual([]);
    log.flushDue(MAX_OPEN_MS);
    log.observe(REQUEST, 200, '', 1, MAX_OPEN_MS);
    log.flushAll();
    expect(events.map(({ fields }) => fields['call_count'])).toEqual([60, 1]);
  });

  test.each<[string, Partial<AuditedRequest>, number, string]>([
    ['token', { tokenName: 'other' }, 200, ''],
    ['method', { method: 'get' }, 200, ''],
    ['path', { path: '/api/v1/info' }, 200, ''],
    ['address', { clientIp: '10.0.0.6' }, 200, ''],
    ['status', {}, 404, ''],
    ['message', {}, 200, 'other'],
  ])('is another one for another %s', (_name, change, status, message) => {
    const { log, events } = newLog();
    log.observe(REQUEST, 200, '', 1, 0);
    log.observe({ ...REQUEST, ...change }, status, message, 1, 0);
    log.flushAll();
    expect(events).toHaveLength(2);
  });

  test('has no address when it is unknown', () => {
    const { log, events } = newLog();
    log.observe({ ...REQUEST, clientIp: '' }, 200, '', 1, 0);
    log.flushAll();
    expect(events[0]?.fields['client_ip']).toBeNull();
  });
});

describe('many groups', () => {
  test('of one path are each found again', () => {
    const { log, events } = newLog();
    for (let turn = 0; turn < 3; turn++) {
      for (let i = 0; i < 40; i++) {
        log.observe({ ...REQUEST, clientIp: `10.0.0.${i}` }, 200, '', 1, turn);
      }
    }
    log.flushAll();
    expect(events).toHaveLength(40);
    expect(new Set(events.map(({ fields }) => fields['call_count']))).toEqual(new Set([3]));
  });

  test('beyond the bound count together by token, method and status, and are counted', () => {
    const { log, events } = newLog(2);
    for (let i = 0; i < 10; i++) log.observe({ ...REQUEST, path: `/p/${i}` }, 200, '', 1, 0);
    log.observe({ ...REQUEST, path: '/p/x' }, 404, 'no', 1, 0);
    expect(log.figures).toMatchObject({ groups: 4, mergedCalls: 9, droppedCalls: 0 });
    log.flushAll();
    const merged = events.filter(({ fields }) => fields['path'] === '*');
    expect(merged.map(({ status, fields }) => [status, fields['call_count']])).toEqual([
      [200, 8],
      [404, 1],
    ]);
    expect(merged[0]?.fields).toMatchObject({ token_name: 'sensor', client_ip: null });
    expect(log.figures).toMatchObject({ groups: 0, bytes: 0 });
  });

  test('beyond the bound make room for others once they are handed over', () => {
    const { log } = newLog(2);
    for (let turn = 1; turn <= 3; turn++) {
      for (let i = 0; i < 3; i++) log.observe({ ...REQUEST, path: `/p/${i}` }, 200, '', 1, 0);
      expect(log.figures).toMatchObject({ groups: 3, mergedCalls: turn });
      log.flushAll();
    }
  });

  test('are handed over in slices, and everything at once when it has to be', async () => {
    const { log, events } = newLog();
    for (let i = 0; i < 200; i++) log.observe({ ...REQUEST, path: `/p/${i}` }, 200, '', 1, 0);
    log.flushDue(QUIET_MS);
    expect(events.length).toBeGreaterThan(0);
    expect(events.length).toBeLessThan(200);
    log.flushAll();
    expect(events).toHaveLength(200);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(events).toHaveLength(200);
    expect(log.figures).toMatchObject({ groups: 0, bytes: 0 });
  });

  test('whose paths are as long as a request head take bounded memory', () => {
    const { log, events } = newLog();
    const path = `/${'x'.repeat(500_000)}`;
    log.observe({ ...REQUEST, path }, 200, '', 1, 0);
    log.observe({ ...REQUEST, path }, 200, '', 1, 0);
    expect(log.figures.bytes).toBeLessThan(2_000);
    log.flushAll();
    expect(calls(events)).toBe(2);
    expect(events).toHaveLength(1);
  });

  test('no call is lost or counted twice, whatever comes in whatever order', () => {
    const step = fc.record({
      token: fc.integer({ min: 0, max: 3 }),
      path: fc.integer({ min: 0, max: 4 }),
      ip: fc.integer({ min: 0, max: 12 }),
      status: fc.constantFrom(200, 401, 404),
      elapsedMs: fc.integer({ min: 0, max: 4_000 }),
    });
    const property = fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const { log, events } = newLog(20);
      let nowMs = 0;
      for (const { token, path, ip, status, elapsedMs } of steps) {
        nowMs += elapsedMs;
        log.flushDue(nowMs);
        const request = { tokenName: `t${token}`, method: 'get', path: `/${path}` };
        log.observe({ ...request, clientIp: `10.0.0.${ip}` }, status, '', 1, nowMs);
      }
      log.flushAll();
      expect(calls(events) + log.figures.droppedCalls).toBe(steps.length);
      expect(log.figures).toMatchObject({ groups: 0, bytes: 0 });
      const byToken = (name: string): number =>
        calls(events.filter((event) => event.name === name));
      for (let i = 0; i < 4; i++) {
        expect(byToken(`t${i}`)).toBe(steps.filter(({ token }) => token === i).length);
      }
    });
    fc.assert(property);
  });
});

describe('the last use of a token', () => {
  test('is that of its newest call that no event tells of yet, refusals left out', () => {
    const { log } = newLog();
    expect(log.lastUseMs('sensor')).toBeUndefined();
    log.observe(REQUEST, 200, '', 1, 5_000);
    log.observe(REQUEST, 200, '', 1, 7_500);
    log.observe({ ...REQUEST, tokenName: 'unauthorized' }, 401, 'Invalid token', 1, 9_000);
    expect(log.lastUseMs('sensor')).toBe(1_000_000 + 2_500);
    expect(log.lastUseMs('unauthorized')).toBeUndefined();
    log.flushAll();
    expect(log.lastUseMs('sensor')).toBeUndefined();
  });
});
