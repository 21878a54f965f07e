/** Reads queries to their end over plain sockets, in a process of its own. */
import { connect, type Socket } from 'node:net';
import { setPriority } from 'node:os';
import { AdminClient } from '../lib/admin-client.ts';
import { serveCalls } from '../lib/child-calls.ts';
import { ResponseReader } from '../lib/response-reader.ts';
import type { ScanJob, ScanResult } from '../lib/scan-job.ts';

const READ_BUFFER_BYTES = 256 * 1024;
/** Lines of records go on with `time-` (protocol v1) or a digit (v2), the others with another letter. */
const OWN_LINE = '\r\nx-reduct-';
const LETTER_T = 0x74;
const DIGIT_9 = 0x39;
/** A client that reads bodies in the order they are written; for others batches over several entries end early. */
const USER_AGENT = 'reduct-rs';
const READER_NICE = 10;
const LAST_LINE = '\r\nx-reduct-last: true';

/** Progress of one call. */
interface Progress {
  isStopping: boolean;
  records: number;
  batches: number;
  scans: number;
}

/** One keep-alive connection with one request in flight. */
class Connection {
  readonly #socket: Socket;
  readonly #answers: ResponseReader;
  #settle: ((status: number) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  constructor(port: number, hasBodies: boolean) {
    this.#answers = new ResponseReader(hasBodies);
    const buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer,
        callback: (bytes) => {
          const status = this.#answers.push(buffer, bytes);
          if (status !== undefined) this.#settle?.(status);
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#fail?.(error));
    this.#socket.on('close', () => this.#fail?.(new Error('the connection was closed')));
  }

  /** @returns status and head of the answer. @throws Error when the connection breaks */
  async send(request: string): Promise<{ status: number; head: string }> {
    const answered = new Promise<number>((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    this.#socket.write(request, 'latin1');
    return { status: await answered, head: this.#answers.head };
  }

  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }
}

/** Reads queries one after the other until `progress` says stop; at least one unless it says so before. */
async function readOn(job: ScanJob, progress: Progress, isRepeated: boolean): Promise<void> {
  const { target, withoutContents = false } = job;
  const admin = new AdminClient(`http://127.0.0.1:${target.port}`, target.token);
  const connection = new Connection(target.port, !withoutContents);
  try {
    do {
      const queryId = await admin.createQuery(target.bucket, job.entry, job.query ?? {});
      await readQuery(connection, readRequest(job, queryId), progress);
    } while (isRepeated && !progress.isStopping);
  } finally {
    connection.close();
    await admin.close();
  }
}

async function readQuery(
  connection: Connection,
  request: string,
  progress: Progress,
): Promise<void> {
  while (!progress.isStopping) {
    const { status, head } = await connection.send(request);
    if (status === 204) break;
    if (status !== 200) throw new Error(`a read of a query was answered with ${status}: ${head}`);
    progress.batches++;
    progress.records += countRecords(head);
    if (head.includes(LAST_LINE)) break;
  }
  if (!progress.isStopping) progress.scans++;
}

function countRecords(head: string): number {
  let count = 0;
  for (let at = head.indexOf(OWN_LINE); at >= 0; at = head.indexOf(OWN_LINE, at)) {
    at += OWN_LINE.length;
    const next = head.charCodeAt(at);
    if (next === LETTER_T || next <= DIGIT_9) count++;
  }
  return count;
}

function readRequest({ target, entry, withoutContents = false }: ScanJob, queryId: number): string {
  const { port, token, bucket } = target;
  const method = withoutContents ? 'HEAD' : 'GET';
  const path =
    entry === undefined ? `io/${bucket}/read` : `b/${bucket}/${entry}/batch?q=${queryId}`;
  const id = entry === undefined ? `x-reduct-query-id: ${queryId}\r\n` : '';
  return (
    `${method} /api/v1/${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n` +
    `authorization: Bearer ${token}\r\nuser-agent: ${USER_AGENT}\r\n${id}\r\n`
  );
}

/** Starts the readers of a job; the result comes when all of them have ended. */
function startReaders(job: ScanJob, progress: Progress, isRepeated: boolean): Promise<ScanResult> {
  const startMs = performance.now();
  const before = process.cpuUsage();
  const readers = Array.from({ length: job.readers }, () => readOn(job, progress, isRepeated));
  return Promise.all(readers).then(() => {
    const { user, system } = process.cpuUsage(before);
    const { records, batches, scans } = progress;
    const elapsedMs = performance.now() - startMs;
    return { elapsedMs, records, batches, scans, readerCpuUs: user + system };
  });
}

function newProgress(): Progress {
  return { isStopping: false, records: 0, batches: 0, scans: 0 };
}

let running: { readonly progress: Progress; readonly result: Promise<ScanResult> } | undefined;

serveCalls({
  // The parent is built from the same sources.
  read: (argument) => startReaders(argument as ScanJob, newProgress(), false),
  begin: (argument) => {
    // Readers are on other machines: what they cost here should not count as the server's.
    setPriority(READER_NICE);
    const progress = newProgress();
    const result = startReaders(argument as ScanJob, progress, true);
    // Told to whoever asks for the end.
    result.catch(() => undefined);
    running = { progress, result };
  },
  end: () => {
    if (running === undefined) throw new Error('nothing was begun');
    const { progress, result } = running;
    running = undefined;
    progress.isStopping = true;
    return result;
  },
});
