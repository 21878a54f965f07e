/** Replication on a read-only instance (replication §1.1): no task is at work, and none is told of. */
import { readOnlyRefusal } from '../errors/read-only.ts';
import type { ReplicationService } from './types.ts';

function refuseReading(): never {
  throw readOnlyRefusal('get replication info');
}

const rejectReading = (): Promise<never> => Promise.reject(readOnlyRefusal('get replication info'));
const rejectChange = (): Promise<never> => Promise.reject(readOnlyRefusal('update replication'));

export const READ_ONLY_REPLICATIONS: ReplicationService = {
  list: () => Promise.resolve('{"replications":[]}'),
  detail: rejectReading,
  create: () => Promise.reject(readOnlyRefusal('create replication')),
  update: rejectChange,
  setMode: () => Promise.reject(readOnlyRefusal('update replication mode')),
  remove: () => Promise.reject(readOnlyRefusal('remove replication')),
  check: rejectReading,
  preview: rejectReading,
  withRenamedSource: (_bucketName, _newName, commit) => commit([]),
  entriesRenamed: () => {
    // No task has anything on its way.
  },
  backfills: {
    list: refuseReading,
    detail: refuseReading,
    create: rejectChange,
    setState: rejectChange,
    cancel: rejectChange,
  },
  deadLetters: { list: rejectReading, retry: rejectChange, discard: rejectChange },
  comparisons: { start: rejectChange, detail: refuseReading, cancel: rejectChange },
};
