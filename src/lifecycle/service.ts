/** Policies as they are managed (http-api-extras §5), over their rows in the store. Main thread only. */
import { ApiError, MillraceError } from '../errors/errors.ts';
import type { RocksReader } from '../store/rocks.ts';
import type { RowChange } from '../store/row-change.ts';
import { instantOf } from '../wire/rfc3339.ts';
import { Policy } from './policy.ts';
import type { PolicyDeps } from './policy.ts';
import { lifecycleRow, loadLifecycles, removedLifecycleRow } from './rows.ts';
import { checkLifecycle } from './settings-checks.ts';
import { lifecycleSettingsJson } from './settings-json.ts';
import { Turns } from './turns.ts';
import type { LifecycleMode, LifecyclePlan, LifecycleSettings } from './types.ts';

/** Runs at the same time, over all policies. */
const MAX_RUNS = 4;

/** Settings that the environment asks for. Without a mode the stored one is kept. */
export interface ProvisionedLifecycle {
  readonly name: string;
  readonly settings: Omit<LifecycleSettings, 'mode'>;
  readonly mode: LifecycleMode | undefined;
}

export interface LifecycleServiceOptions extends Omit<PolicyDeps, 'turns'> {
  readonly db: RocksReader;
  /** Resolves after the commit that contains all rows. */
  readonly commitRows: (rows: readonly RowChange[]) => Promise<void>;
  readonly warn: (message: string, error?: unknown) => void;
}

/** What a running instance asks of its policies. */
export type Lifecycles = Pick<
  LifecycleService,
  'list' | 'detail' | 'create' | 'update' | 'setMode' | 'remove' | 'withRenamedBucket' | 'stop'
>;

export class LifecycleService {
  readonly #options: LifecycleServiceOptions;
  readonly #deps: PolicyDeps;
  readonly #policies = new Map<string, Policy>();
  /** Settles when the change before has ended, so that each is checked against the one before. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: LifecycleServiceOptions) {
    this.#options = options;
    this.#deps = { ...options, turns: new Turns(MAX_RUNS) };
  }

  /**
   * Puts stored policies and those of the environment to work; the latter replace the former. One that is not valid
   * (its bucket is missing, say) is left out with a warning.
   * @throws StoreFormatError when a row cannot be read.
   */
  async start(provisioned: readonly ProvisionedLifecycle[]): Promise<void> {
    const stored = loadLifecycles(this.#options.db);
    const rows: RowChange[] = [];
    for (const { name, settings, mode } of provisioned) {
      const wanted = { ...settings, mode: mode ?? stored.get(name)?.mode ?? 'enabled' };
      const plan = this.#planOrWarning(name, wanted);
      if (plan === undefined) continue;
      rows.push(lifecycleRow(name, wanted));
      this.#begin(new Policy(name, plan, true, this.#deps));
    }
    for (const [name, settings] of stored) {
      if (this.#policies.has(name)) continue;
      // Its bucket may come back.
      const plan = checkLifecycle(name, settings, () => true);
      this.#begin(new Policy(name, plan, false, this.#deps));
    }
    if (rows.length === 0) return;
    try {
      await this.#options.commitRows(rows);
    } catch (error) {
      this.#options.warn('lifecycles of the environment count, but could not be stored', error);
    }
  }

  /** Nothing is processed any more, once the step under way has ended. */
  stop(): void {
    for (const policy of this.#policies.values()) policy.stop();
  }

  /** Answer of `GET /lifecycles`. */
  list(): string {
    const names = [...this.#policies.keys()].toSorted();
    const infos = names.map((name) => infoJson(this.#existing(name)));
    return `{"lifecycles":[${infos.join(',')}]}`;
  }

  /** Answer of `GET /lifecycles/:name`. @throws ApiError 404. */
  detail(name: string): string {
    const policy = this.#existing(name);
    return `{"info":${infoJson(policy)},"settings":${lifecycleSettingsJson(policy.settings)}}`;
  }

  /** @throws ApiError 409, 404, 422. */
  create(name: string, settings: LifecycleSettings): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#policies.has(name)) throw new ApiError(409, `Lifecycle '${name}' already exists`);
      await this.#put(name, settings);
    });
  }

  /** Replaces everything; the policy begins anew. @throws ApiError 404, 409, 422. */
  update(name: string, settings: LifecycleSettings): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#existing(name).isProvisioned) {
        throw new ApiError(409, `Can't update provisioned lifecycle '${name}'`);
      }
      await this.#put(name, settings);
    });
  }

  /** Also of provisioned policies. @throws ApiError 404. */
  setMode(name: string, mode: LifecycleMode): Promise<void> {
    return this.#inTurn(async () => {
      const policy = this.#existing(name);
      await this.#options.commitRows([lifecycleRow(name, { ...policy.settings, mode })]);
      policy.setMode(mode);
    });
  }

  /** @throws ApiError 404, 409. */
  remove(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const policy = this.#existing(name);
      if (policy.isProvisioned) {
        throw new ApiError(409, `Can't remove provisioned lifecycle '${name}'`);
      }
      await this.#options.commitRows([removedLifecycleRow(name)]);
      policy.stop();
      this.#policies.delete(name);
    });
  }

  /**
   * A bucket gets another name, and all policies for it follow: those of the environment too, until the next start.
   * @param commit writes the given rows together with the rename; its failure leaves everything as it was.
   */
  withRenamedBucket(
    bucketName: string,
    newName: string,
    commit: (rows: readonly RowChange[]) => Promise<void>,
  ): Promise<void> {
    return this.#inTurn(async () => {
      const followers = [...this.#policies.values()].filter(
        ({ settings }) => settings.bucketName === bucketName,
      );
      await commit(
        followers.map(({ name, settings }) =>
          lifecycleRow(name, { ...settings, bucketName: newName }),
        ),
      );
      for (const policy of followers) policy.followBucket(newName);
    });
  }

  async #put(name: string, settings: LifecycleSettings): Promise<void> {
    const plan = this.#plan(name, settings);
    await this.#options.commitRows([lifecycleRow(name, settings)]);
    this.#policies.get(name)?.stop();
    this.#begin(new Policy(name, plan, false, this.#deps));
  }

  #begin(policy: Policy): void {
    this.#policies.set(policy.name, policy);
    policy.start();
  }

  #plan(name: string, settings: LifecycleSettings): LifecyclePlan {
    const hasBucket = (bucket: string): boolean => this.#options.bucket(bucket) !== undefined;
    return checkLifecycle(name, settings, hasBucket);
  }

  #planOrWarning(name: string, settings: LifecycleSettings): LifecyclePlan | undefined {
    try {
      return this.#plan(name, settings);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.#options.warn(`lifecycle '${name}' is not provisioned: ${error.message}`);
      return undefined;
    }
  }

  #existing(name: string): Policy {
    const policy = this.#policies.get(name);
    if (policy === undefined) throw new ApiError(404, `Lifecycle '${name}' does not exist`);
    return policy;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(change);
    // The next one comes whether this one failed or not; its failure is its caller's.
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** `is_running`: the policy is being looked after, which it is in every mode. */
function infoJson({ name, isProvisioned, settings, lastRunMs }: Policy): string {
  return JSON.stringify({
    name,
    is_provisioned: isProvisioned,
    is_running: true,
    type: settings.type,
    mode: settings.mode,
    last_run: lastRunMs === undefined ? null : instantOf(lastRunMs).text,
  });
}
