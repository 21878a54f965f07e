/** Management of replication tasks as the front uses it (replication §1). Main thread only. */

/**
 * Bodies are JSON texts in both directions: settings hold a `when` that must come back as it was sent, with member
 * order and integers beyond 2^53 kept, so nothing between socket and service parses them.
 */
export interface ReplicationService {
  /**
   * Answer of `GET /replications`, sorted by name.
   * @param isExtended adds the member `extended` (`?ext=1`).
   */
  list(isExtended: boolean): string;

  /** Answer of `GET /replications/{name}`. @throws ApiError 404. */
  detail(name: string, isExtended: boolean): string;

  /**
   * Resolves when the task is durable and takes effect for every later write.
   * @throws ApiError 422 `Invalid JSON: …`, then the checks of replication §1.4 in their order.
   */
  create(name: string, bodyText: string): Promise<void>;

  /** Whole replacement with the exceptions of replication §1.6. @throws ApiError 404, 409, 422. */
  update(name: string, bodyText: string): Promise<void>;

  /** Body `{"mode": …}`. @throws ApiError 404, 422. */
  setMode(name: string, bodyText: string): Promise<void>;

  /** Resolves when the task will never send again. @throws ApiError 404, 409. */
  remove(name: string): Promise<void>;
}
