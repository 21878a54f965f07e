/** Errors of talking to an instance, for people at a terminal. */
import { ApiError } from '../errors/errors.ts';
import { answerMessage } from '../replication/answer-headers.ts';
import type { Answer } from './answer.ts';

/** The error that an answer without success means: its status and the server's own text. */
export async function toApiError(answer: Answer): Promise<ApiError> {
  await answer.discard();
  return new ApiError(answer.status, answerMessage(answer.headers));
}
