import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryPosition } from '../../src/copy/position.ts';
import '../lib/property-tests.ts';

const START_US = 5n;

/** Records in steps, which of them fail, and in which order steps are begun and done. */
const RUNS = fc.record({
  steps: fc.array(
    fc.array(fc.record({ gapUs: fc.bigInt(1n, 9n), fails: fc.nat(9).map((one) => one === 0) }), {
      minLength: 1,
      maxLength: 5,
    }),
    { maxLength: 8 },
  ),
  choices: fc.infiniteStream(fc.nat(1_000)),
});

describe('the position of an entry', () => {
  test('is never beyond a record that failed or was not acknowledged, in whatever order steps end', () => {
    fc.assert(
      fc.property(RUNS, ({ steps, choices }) => {
        const position = new EntryPosition(START_US);
        const settled = new Set<bigint>();
        const failed: bigint[] = [];
        let ts = START_US;
        const waiting = steps.map((records) =>
          records.map(({ gapUs, fails }) => ({ ts: (ts += gapUs), fails })),
        );
        const all = waiting.flat();
        const underWay: { step: ReturnType<EntryPosition['begin']>; records: typeof all }[] = [];
        while (waiting.length + underWay.length > 0) {
          const choice = choices.next().value ?? 0;
          if (waiting.length > 0 && (underWay.length === 0 || choice % 2 === 0)) {
            const records = waiting.shift() ?? [];
            underWay.push({ step: position.begin((records.at(-1)?.ts ?? 0n) + 1n), records });
          } else {
            const [one] = underWay.splice(choice % underWay.length, 1);
            for (const record of one?.records ?? []) {
              if (record.fails) {
                failed.push(record.ts);
                position.failed(record.ts);
              } else settled.add(record.ts);
            }
            if (one !== undefined) position.done(one.step);
          }
          const passed = all.filter((record) => record.ts < position.nextUs);
          expect(passed.filter((record) => !settled.has(record.ts))).toEqual([]);
        }
        // And it comes as far as whole steps without a failure go.
        const firstBad = steps.findIndex((records) => records.some(({ fails }) => fails));
        const whole = (firstBad < 0 ? steps : steps.slice(0, firstBad)).flat().length;
        const last = all[whole - 1];
        expect(position.nextUs).toBe(last === undefined ? START_US : last.ts + 1n);
        expect(failed.every((one) => one >= position.nextUs)).toBe(true);
      }),
    );
  });

  test('waits for the first of two steps when the second is done before', () => {
    const moves: bigint[] = [];
    const position = new EntryPosition(0n, () => moves.push(position.nextUs));
    const first = position.begin(10n);
    const second = position.begin(20n);
    position.done(second);
    expect(position.nextUs).toBe(0n);
    position.done(first);
    expect(position.nextUs).toBe(20n);
    expect(moves).toEqual([10n, 20n]);
  });

  test('goes back to a record that a later comparison finds missing', () => {
    const position = new EntryPosition(0n);
    position.done(position.begin(100n));
    position.failed(40n);
    position.done(position.begin(200n));
    expect(position.nextUs).toBe(40n);
  });

  test('does not pass a record that failed while it was read ahead', () => {
    const position = new EntryPosition(0n);
    const first = position.begin(10n);
    position.failed(15n);
    const second = position.begin(20n);
    position.done(first);
    position.done(second);
    expect(position.nextUs).toBe(10n);
  });
});
