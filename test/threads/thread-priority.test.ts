import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { expect, test } from 'vitest';

const MODULE = new URL('../../dist/src/threads/thread-priority.js', import.meta.url);

test.runIf(process.platform === 'linux')(
  'a thread stands back alone: the others of its process keep their priority',
  async () => {
    const before = getPriority();
    const code = `
      const { parentPort } = require('node:worker_threads');
      const { getPriority } = require('node:os');
      const { readlinkSync } = require('node:fs');
      const { basename } = require('node:path');
      import(${JSON.stringify(MODULE.href)}).then(({ standBack }) => {
        standBack();
        parentPort.postMessage(getPriority(Number(basename(readlinkSync('/proc/thread-self')))));
      });`;
    const worker = new Worker(code, { eval: true });
    try {
      const [priority] = (await once(worker, 'message')) as [number];
      expect(priority).toBe(Math.min(before + 5, 19));
      expect(getPriority()).toBe(before);
    } finally {
      await worker.terminate();
    }
  },
);
