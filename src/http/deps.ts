/** Everything the front needs from the rest of the instance. */
import type { Authenticator, TokenAdmin } from '../auth/types.ts';
import type { CatalogPort } from '../catalog/types.ts';
import type { RecordChanges } from '../commit/changes.ts';
import type { Ingest } from '../commit/types.ts';
import type { Config } from '../config/config.ts';
import type { ReadMeter, RequestAudit } from '../events/types.ts';
import type { Lifecycles } from '../lifecycle/service.ts';
import type { LinkService } from '../links/link-service.ts';
import type { Logger } from '../logging/logger.ts';
import type { Removals } from '../query/query-removals.ts';
import type { ReadMemory } from '../query/read-memory.ts';
import type { Queries, RecordReader } from '../query/types.ts';
import type { ReplicationService } from '../replication/types.ts';

/** The settings the front acts upon. */
export type FrontConfig = Pick<
  Config,
  | 'apiBasePath'
  | 'publicUrl'
  | 'certPath'
  | 'certKeyPath'
  | 'corsAllowOrigins'
  | 'instanceName'
  | 'instanceRole'
  | 'metricsAuth'
  | 'operationTimeoutMs'
  | 'uploadMemoryBytes'
  | 'maxWritersInFlight'
  | 'rateLimitApi'
  | 'rateLimitIngress'
  | 'rateLimitEgress'
  | 'defaultQuotaType'
  | 'defaultQuotaSizeBytes'
  | 'defaultMaxBlockSizeBytes'
  | 'defaultMaxBlockRecords'
>;

export type FrontLogger = Pick<Logger, 'info' | 'warn' | 'error'>;

/** `GET /metrics`. */
export interface MetricsPage {
  readonly contentType: string;
  renderMetrics(): Promise<string>;
}

export interface FrontDeps {
  readonly catalog: CatalogPort;
  readonly ingest: Ingest;
  readonly changes: RecordChanges;
  readonly queries: Queries;
  readonly removals: Removals;
  readonly records: RecordReader;
  readonly readMemory: Pick<ReadMemory, 'hold' | 'figures'>;
  readonly replications: ReplicationService;
  readonly lifecycles: Omit<Lifecycles, 'stop'>;
  readonly links: Pick<LinkService, 'seal' | 'open' | 'read'>;
  readonly auth: Authenticator;
  readonly tokens: TokenAdmin;
  readonly config: FrontConfig;
  readonly logger: FrontLogger;
  readonly metrics: MetricsPage;
  /** Absent: requests are not recorded. */
  readonly audit?: RequestAudit | undefined;
  /** Absent: reads are not counted. */
  readonly reads?: ReadMeter | undefined;
  /** False until storage is usable: everything except `/alive` answers 503 (http-api §1.11). */
  isReady(): boolean;
}
