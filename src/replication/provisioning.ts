/** Tasks of the environment at a start (replication §7). */
import { isDeepStrictEqual } from 'node:util';
import type { ProvisionedReplication } from '../config/replication-variables.ts';
import type { Logger } from '../logging/logger.ts';
import { parseBody } from './settings-body.ts';
import { readObject } from './settings-json.ts';
import { wouldMoveToken } from './settings-checks.ts';
import { parseSettings, type ReplicationSettings, toDetailJson } from './settings.ts';
import { Task } from './task.ts';
import type { RangeChange } from './ranges/range-list.ts';
import { readTaskStart, type Start } from './ranges/range-times.ts';
import { MOVED_TEXT } from './task-changes.ts';
import type { TaskWriter } from './task-writer.ts';
import type { TaskCursor, TaskStore } from './types.ts';

/** What a starting service lends. Nothing of it runs yet. */
export interface ProvisioningDeps {
  readonly tasks: Map<string, Task>;
  readonly store: TaskStore;
  readonly writer: TaskWriter;
  readonly logger: Logger;
  /** @throws ApiError of replication §1.4. */
  readonly check: (name: string, settings: ReplicationSettings) => void;
  readonly cursorAtHead: (settings: ReplicationSettings) => TaskCursor;
  /** @throws ApiError 409. */
  readonly cursorUnder: (task: Task, settings: ReplicationSettings) => TaskCursor;
  /** Back-fills that a new task begins with. */
  readonly rangesBefore: (start: Start, cursor: TaskCursor) => readonly RangeChange[];
}

/**
 * Makes the task as the environment wants it and marks it. One that is refused is logged, and a stored one of that name
 * stays as it is. Counts at once; resolves when it is stored, or that has failed (and is logged).
 */
export async function provisionTask(
  deps: ProvisioningDeps,
  wanted: ProvisionedReplication,
): Promise<void> {
  const { tasks, logger } = deps;
  const { name } = wanted;
  const stored = tasks.get(name);
  try {
    const settings = settingsOf(deps, wanted, stored);
    deps.check(name, settings);
    const saving =
      stored === undefined
        ? create(deps, name, settings, readTaskStart(bodyMembers(wanted)))
        : change(deps, stored, settings);
    const task = tasks.get(name);
    if (task !== undefined) task.isProvisioned = true;
    // Neither the token nor its sealed form is part of this.
    logger.info({ task: name, settings: toDetailJson(settings) }, 'a task is provisioned');
    await saving.catch((err: unknown) => {
      logger.error({ err, task: name }, 'a provisioned task counts, but could not be stored');
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.error(`Failed to provision replication '${name}': ${reason}`);
  }
}

function bodyMembers({ bodyText }: ProvisionedReplication): Readonly<Record<string, unknown>> {
  return readObject(parseBody(bodyText).body, 'struct ReplicationSettings');
}

/** Mode and token are kept where the environment does not name them; everything else is as it says (replication §7.3). */
function settingsOf(
  { store }: ProvisioningDeps,
  { bodyText, token, mode }: ProvisionedReplication,
  stored: Task | undefined,
): ReplicationSettings {
  const { body, whenText } = parseBody(bodyText);
  const parsed = parseSettings(body, 'create', whenText);
  const named = { ...parsed, legacy: false, mode: mode ?? stored?.mode ?? 'enabled' };
  if (token !== undefined) return { ...named, dstToken: token === '' ? null : token };
  if (stored === undefined) return named;
  const { dstToken, lockedToken } = stored.settings;
  if (!wouldMoveToken(stored.settings, named.dstHost)) return { ...named, dstToken, lockedToken };
  // A stored token goes to no other place because a variable says so.
  const { id, name, settings } = stored;
  return { ...named, ...store.tokenForHost({ id, name, settings }, named.dstHost) };
}

function create(
  deps: ProvisioningDeps,
  name: string,
  settings: ReplicationSettings,
  start: Start,
): Promise<void> {
  const { store, tasks, cursorAtHead, rangesBefore } = deps;
  const stored = { id: store.allocateId(), name, settings };
  const cursor = cursorAtHead(settings);
  const ranges = rangesBefore(start, cursor);
  const known = ranges.flatMap(({ range }) => range ?? []);
  tasks.set(name, new Task(stored, cursor, Date.now, known));
  return store.save(stored, { cursor, deadLetters: [], ranges });
}

function change(deps: ProvisioningDeps, task: Task, settings: ReplicationSettings): Promise<void> {
  if (isDeepStrictEqual(settings, task.settings)) return Promise.resolve();
  const { writer, cursorAtHead, cursorUnder } = deps;
  const isMoved = settings.srcBucket !== task.settings.srcBucket;
  const cursor = isMoved ? cursorAtHead(settings) : cursorUnder(task, settings);
  task.changeSettings(settings, Date.now, cursor.pastFilters);
  if (isMoved) {
    task.moveTo(cursor);
    task.ranges.abandon(MOVED_TEXT, Date.now());
  } else task.gaps = cursor.gaps;
  // In effect already: the environment says so.
  return writer.change(
    task,
    () => ({ settings }),
    () => undefined,
  );
}
