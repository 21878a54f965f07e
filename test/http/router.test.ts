import { describe, expect, test } from 'vitest';
import { Router } from '../../src/http/router.ts';

const api = (path: string): string => {
  const { target, name, entryName } = new Router('/').resolve(`/api/v1${path}`);
  return [target, name, entryName].join(' ').trim();
};

describe('router', () => {
  test.each([
    ['/alive', 'alive'],
    ['/ready', 'ready'],
    ['/info', 'info'],
    ['/list', 'list'],
    ['/me', 'me'],
    ['/tokens', 'tokens'],
    ['/tokens/t', 'token t'],
    ['/tokens/a%2Fb%20%C3%A4', 'token a/b ä'],
    ['/tokens/rotate', 'token rotate'],
    ['/tokens/t/rotate', 'tokenRotate t'],
    ['/b/data', 'bucket data'],
    ['/b/da%20ta', 'bucket da ta'],
    ['/b/data/rename', 'bucketRename data'],
    ['/b/data/e', 'entry data e'],
    ['/b/data/a/b/c', 'entry data a/b/c'],
    ['/b/data/a%2Fb%2fc', 'entry data a/b/c'],
    ['/b/data/e/batch', 'entryBatch data e'],
    ['/b/data/a%2Fbatch', 'entryBatch data a'],
    ['/b/data/a/b/q', 'entryQuery data a/b'],
    ['/b/data/a/rename', 'entryRename data a'],
    ['/b/data/batch', 'entry data batch'],
    ['/b/data/q', 'entry data q'],
    ['/b/data/x/batch/q', 'entryQuery data x/batch'],
    ['/b/data/e/$meta', 'entry data e/$meta'],
    ['/b/data//e', 'entry data /e'],
    ['/b/data/e/', 'entry data e/'],
    ['/b/data/100%', 'entry data 100%'],
    ['/io/data/q', 'ioQuery data'],
    ['/io/data/read', 'ioRead data'],
    ['/io/data/write', 'ioWrite data'],
    ['/io/data/update', 'ioUpdate data'],
    ['/io/data/remove', 'ioRemove data'],
    ['/replications', 'replications'],
    ['/replications/', 'replications'],
    ['/replications/r%201', 'replication r 1'],
    ['/replications/r/', 'replication r'],
    ['/replications/r/mode', 'replicationMode r'],
    ['/replications/r/check', 'replicationCheck r'],
    ['/replications/r/preview/', 'replicationPreview r'],
    ['/replications/r/mode/', 'replicationMode r'],
    ['/replications/r/dead_letters', 'deadLetters r'],
    ['/replications/r/compare', 'replicationCompare r'],
    ['/replications/r%2Fs/dead_letters/retry/', 'deadLettersRetry r/s'],
  ])('%s is %s', (path, expected) => {
    expect(api(path)).toBe(expected);
  });

  test.each([
    '/info/',
    '/b',
    '/b/',
    '/b/data/',
    '/b//e',
    '/Alive',
    '/io/data',
    '/io/data/write/',
    '/io//q',
    '/replications//',
    '/replications/r/other',
    '/tokens/',
    '/tokens//rotate',
    '/tokens/t/',
    '/tokens/t/rotate/',
    '/tokens/t/other',
    '',
  ])('%j is unknown', (path) => {
    expect(api(path)).toBe('unknown');
  });

  test.each(['//api/v1/info', '/api//v1/info', '/./api/v1/info', '/api/v2/info', '/other'])(
    '%s is not normalised into something known',
    (path) => {
      expect(new Router('/').resolve(path).target).toBe('unknown');
    },
  );

  test('invalid UTF-8 names the parameter', () => {
    const router = new Router('/');
    expect(router.resolve('/api/v1/b/%ff')).toMatchObject({
      target: 'badPath',
      text: 'Invalid UTF-8 in bucket_name',
    });
    expect(router.resolve('/api/v1/b/x/%c3')).toMatchObject({
      text: 'Invalid UTF-8 in entry_name',
    });
  });

  test('everything lies below the base path', () => {
    const router = new Router('/deep/er/');
    expect(router.resolve('/deep/er/api/v1/info').target).toBe('info');
    expect(router.resolve('/deep/er/metrics').target).toBe('metrics');
    expect(router.resolve('/deep/er/').target).toBe('redirectToUi');
    expect(router.resolve('/deep/er/ui').target).toBe('redirectToUi');
    expect(router.resolve('/api/v1/info').target).toBe('unknown');
    expect(router.resolve('/').target).toBe('unknown');
  });

  test('a path is taken apart once, and more paths than fit are still right', () => {
    const router = new Router('/');
    const first = router.resolve('/api/v1/b/data/e');
    expect(router.resolve('/api/v1/b/data/e')).toBe(first);
    for (let i = 0; i < 5000; i++) router.resolve(`/api/v1/b/data/e${i}`);
    expect(router.resolve('/api/v1/b/data/e')).toEqual(first);
    expect(router.resolve('/api/v1/b/data/e4999').entryName).toBe('e4999');
  });
});
