/** Metrics of system events; without samples when they are switched off. */
import type { Registry } from 'prom-client';
import type { EventFigures } from '../events/system-events.ts';
import type { Sample } from './instruments.ts';
import { addCounter, addGauge } from './instruments.ts';

export interface EventMetricsSource {
  readonly figures: EventFigures;
}

export function addEventMetrics(
  registry: Registry,
  source: () => EventMetricsSource | undefined,
): void {
  const samples = (read: (figures: EventFigures) => Sample[]): (() => Sample[]) => {
    return () => {
      const events = source();
      return events === undefined ? [] : read(events.figures);
    };
  };
  addCounter(
    registry,
    {
      name: 'millrace_system_events_total',
      help: 'Events stored in the bucket $system.',
      labelNames: ['family'],
    },
    samples(({ stored }) => [...stored].map(([family, value]) => ({ labels: { family }, value }))),
  );
  addCounter(
    registry,
    {
      name: 'millrace_system_events_lost_total',
      help: 'Events that could not be stored.',
      labelNames: ['reason'],
    },
    samples(({ lost, droppedLogLines }) => [
      ...[...lost].map(([reason, value]) => ({ labels: { reason }, value })),
      { labels: { reason: 'log_burst' }, value: droppedLogLines },
    ]),
  );
  addAuditMetrics(registry, samples);
}

function addAuditMetrics(
  registry: Registry,
  samples: (read: (figures: EventFigures) => Sample[]) => () => Sample[],
): void {
  addGauge(
    registry,
    { name: 'millrace_audit_groups', help: 'Groups of requests that are not stored yet.' },
    samples(({ audit }) => [{ value: audit.groups }]),
  );
  addGauge(
    registry,
    { name: 'millrace_audit_bytes', help: 'Memory of these groups, about.' },
    samples(({ audit }) => [{ value: audit.bytes }]),
  );
  addCounter(
    registry,
    {
      name: 'millrace_audit_merged_calls_total',
      help: 'Requests counted without path, message and address because there were too many groups.',
    },
    samples(({ audit }) => [{ value: audit.mergedCalls }]),
  );
  addCounter(
    registry,
    {
      name: 'millrace_audit_dropped_calls_total',
      help: 'Requests not counted at all because even merged groups were too many.',
    },
    samples(({ audit }) => [{ value: audit.droppedCalls }]),
  );
}
