/** A target that has the bucket, takes every batch, and never answers one. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { serveCalls } from '../lib/child-calls.ts';

async function listen(): Promise<number> {
  const server = createServer({ maxHeaderSize: 1024 * 1024 }, (req, res) => {
    req.resume();
    if (req.method === 'GET') res.setHeader('x-reduct-api', '1.21').end('{}');
  });
  server.maxHeadersCount = 0;
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`address ${address}`);
  return address.port;
}

serveCalls({ listen });
