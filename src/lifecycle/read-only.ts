/** Lifecycle policies of a read-only instance (http-api §1.12): none is at work, and none is told of. */
import { readOnlyRefusal } from '../errors/read-only.ts';
import type { Lifecycles } from './service.ts';

export const READ_ONLY_LIFECYCLES: Lifecycles = {
  list: () => '{"lifecycles":[]}',
  detail: () => {
    throw readOnlyRefusal('get lifecycle info');
  },
  create: () => Promise.reject(readOnlyRefusal('create lifecycle')),
  update: () => Promise.reject(readOnlyRefusal('update lifecycle')),
  setMode: () => Promise.reject(readOnlyRefusal('update lifecycle mode')),
  remove: () => Promise.reject(readOnlyRefusal('remove lifecycle')),
  withRenamedBucket: (_bucketName, _newName, commit) => commit([]),
  stop: () => {
    // Nothing was started.
  },
};
