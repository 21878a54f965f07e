/**
 * A write that waits for its place among the writers in flight: what has arrived of its body is kept, its connection
 * paused, until the gate lets it in. Nothing of it is looked at before.
 */
import { ApiError } from '../errors/errors.ts';
import type { GateWaiter, WriterGate } from '../limits/writer-gate.ts';
import type { BodyIntake, IntakeContext } from './body-intake.ts';
import { UPLOAD_MEMORY_TEXT } from './body-flow.ts';
import type { AbortListener, Exchange } from './exchange.ts';
import type { SweptBody } from './progress-sweep.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { UploadLease } from './upload-budget.ts';

/** Begins to receive the body of a write whose head was accepted. Valid in the request's handler only. */
export type StartWrite = (exchange: Exchange, write: BodyIntake, headers: RequestHeaders) => void;

/** @param maxWriters `RS_IO_MAX_WRITERS_IN_FLIGHT`; 0 is no limit and costs nothing. */
export function createStartWrite(context: IntakeContext, gate: WriterGate | undefined): StartWrite {
  if (gate === undefined) return (_exchange, write, headers) => write.receive(headers);
  return (exchange, write, headers) => {
    if (gate.tryEnter()) {
      exchange.onClosed = () => gate.leave();
      write.receive(headers);
    } else if (write.begin(headers)) {
      new HeldWrite(exchange, write, context, gate).hold();
    }
  };
}

const EXCEEDED_TEXT = 'in-flight writers limit exceeded: try again later';
