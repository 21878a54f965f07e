/** Somebody who changes a task while it runs: back-fills, modes, settings, dead letters; and what of that has to hold. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Api, TestRecord } from '../../lib/api.ts';
import { BUCKET, entryOf } from './workload.ts';

/** Written before the task was created: only back-fills bring it to the target. */
export const OLD_ENTRY = 'old';
export const OLD_RECORDS = 1_500;
const TASK = '/replications/copy';

const REST_STEPS = 40;
const REST_STEP_MS = 25;

interface Letter {
  readonly id: number;
  readonly entry: string;
  readonly ts: number;
}

export function oldRecord(serial: number): TestRecord {
  const payload = Buffer.from(`old ${serial}`);
  return { ts: BigInt(serial), payload, labels: { state: 'working' } };
}

export class Operator {
  readonly #source: Api;
  readonly #target: Api;
  readonly #settings: object;
  /** What was answered with success. */
  #oldId: number | null = null;
  readonly #cancelled: number[] = [];
  #otherId: number | null = null;
  /** The mode that was answered last; `null` while a change of it is under way. */
  #mode: string | null = 'enabled';
  #round = 0;

  constructor(source: Api, target: Api, settings: object) {
    this.#source = source;
    this.#target = target;
    this.#settings = settings;
  }

  /** The next thing that somebody may want. Rejects when the source dies. */
  async round(): Promise<void> {
    const actions = [
      () => this.#backfillOld(),
      () => this.#setMode('paused'),
      () => this.#setMode('enabled'),
      () => this.#backfillOthers(),
      () => this.#rest(),
      () => this.#retry(),
      () => this.#put(),
      () => this.#cancelOthers(),
    ];
    await actions[this.#round++ % actions.length]?.();
  }

  /** After the last start. */
  async enable(): Promise<void> {
    const { settings } = await this.#detail();
    if (this.#mode !== null) expect(settings.mode).toBe(this.#mode);
    await this.#setMode('enabled');
    if (this.#oldId === null) await this.#backfillOld();
  }

  /** Whether nothing is left to be sent. */
  async isDrained(): Promise<boolean> {
    const { info } = await this.#detail();
    if (info.pending_records > 0 || (await this.#letters()).queued > 0) return false;
    return (await this.#backfills()).every(({ state }) => state !== 'running');
  }

  async expectHolds(): Promise<void> {
    const states = new Map((await this.#backfills()).map(({ id, state }) => [id, state]));
    // The oldest ones are forgotten.
    const cancelled = this.#cancelled.map((id) => states.get(id) ?? 'cancelled');
    expect(cancelled.every((state) => state === 'cancelled')).toBe(true);
    if (this.#oldId !== null) expect(states.get(this.#oldId) ?? 'done').toBe('done');
    const old = await this.#target.readAll(BUCKET, OLD_ENTRY);
    expect(old.map(({ ts }) => Number(ts))).toEqual(
      Array.from({ length: OLD_RECORDS }, (_, i) => i),
    );
  }

  /** Timestamps of the dead letters. */
  async letterSerials(): Promise<number[]> {
    const { items } = await this.#letters();
    for (const { entry, ts } of items) expect(entry).toBe(entryOf(ts));
    return items.map(({ ts }) => ts);
  }

  async #backfillOld(): Promise<void> {
    if (this.#oldId !== null) return;
    const body = JSON.stringify({ entries: [OLD_ENTRY] });
    const { text } = await this.#source.ok('POST', `${TASK}/backfills`, {}, body);
    this.#oldId = JSON.parse(text).id;
  }

  async #backfillOthers(): Promise<void> {
    const { text } = await this.#source.ok('POST', `${TASK}/backfills`, {}, '{}');
    this.#otherId = JSON.parse(text).id;
  }

  /** Live records go first: back-fills get on when nothing is written. Not for ever, where they are not to. */
  async #rest(): Promise<void> {
    for (let i = 0; i < REST_STEPS; i++) {
      if ((await this.#backfills()).every(({ state }) => state !== 'running')) return;
      await sleep(REST_STEP_MS);
    }
  }

  async #cancelOthers(): Promise<void> {
    const id = this.#otherId;
    if (id === null) return;
    const { status, text } = await this.#source.call('DELETE', `${TASK}/backfills/${id}`);
    // It may be done.
    expect([200, 409]).toContain(status);
    if (status === 200 && JSON.parse(text).state === 'cancelled') this.#cancelled.push(id);
    this.#otherId = null;
  }

  async #setMode(mode: string): Promise<void> {
    this.#mode = null;
    await this.#source.ok('PATCH', `${TASK}/mode`, {}, JSON.stringify({ mode }));
    this.#mode = mode;
  }

  async #put(): Promise<void> {
    await this.#source.ok('PUT', TASK, {}, JSON.stringify(this.#settings));
  }

  /** Makes room for the oldest letter at the target, and has all of them sent again. */
  async #retry(): Promise<void> {
    const [oldest] = (await this.#letters()).items;
    if (oldest === undefined) return;
    await this.#target.call('DELETE', `/b/${BUCKET}/${oldest.entry}?ts=${oldest.ts}`);
    await this.#source.ok('POST', `${TASK}/dead_letters/retry`, {}, '{"all":true}');
  }

  async #letters(): Promise<{ readonly items: readonly Letter[]; readonly queued: number }> {
    const items: Letter[] = [];
    for (let after: number | null = 0; ;) {
      const path: string = `${TASK}/dead_letters?limit=100&after=${after}`;
      const { text } = await this.#source.ok('GET', path);
      const page: { dead_letters: Letter[]; next: number | null; queued: number } =
        JSON.parse(text);
      items.push(...page.dead_letters);
      after = page.next;
      if (after === null) return { items, queued: page.queued };
    }
  }

  async #backfills(): Promise<readonly { readonly id: number; readonly state: string }[]> {
    const { text } = await this.#source.ok('GET', `${TASK}/backfills`);
    return JSON.parse(text).backfills;
  }

  async #detail(): Promise<{
    readonly info: { readonly pending_records: number };
    readonly settings: { readonly mode: string };
  }> {
    return JSON.parse((await this.#source.ok('GET', TASK)).text);
  }
}
