/** `PUT /b/:bucket/rename` (http-api §4.2) and `PUT /b/:bucket/:entry/rename` (http-api-records §2.4). */
import { ApiError } from '../../errors/errors.ts';
import { isJsonObject, JSON_BODY_LIMITS, JsonSyntaxError, parseJson } from '../../wire/json.ts';
import type { JsonValue } from '../../wire/json.ts';
import { identify, requireChangeable, requireFull, requireWrite } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import { invalidJson, parseJsonObject, stringMember } from '../json-members.ts';
import type { RequestHeaders } from '../request-headers.ts';
import type { Route } from '../router.ts';
import { MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import type { UwsRequest } from '../uws.ts';
import { refuseWrite } from './entries.ts';

const TOO_LARGE: ApiError = new ApiError(413, 'length limit exceeded');

/** The only body of the API whose content type counts (http-api §1.6). */
export function renameBucket(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  front.headers.scan(req, exchange);
  if (!isJsonType(front.headers)) {
    const text = 'Expected request with `Content-Type: application/json`';
    refuseWrite(front, exchange, new ApiError(415, text));
    return;
  }
  const { authorization } = front.headers;
  const options = {
    maxBytes: MAX_SETTINGS_BYTES,
    tooLarge: TOO_LARGE,
    notText: unreadable('invalid unicode code point'),
    beforeLarge: () => identify(front, exchange, authorization),
  };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    const newName = newBucketName(text);
    const { catalog, lifecycles, replications, tokens } = front.deps;
    requireFull(identify(front, exchange, authorization));
    requireChangeable(front);
    // One commit: after a crash the bucket and all that names it have the old name, or all have the new one.
    const renamed = tokens.withRenamedBucket(name, newName, (tokenRows) =>
      lifecycles.withRenamedBucket(name, newName, (policyRows) =>
        replications.withRenamedSource(name, newName, (taskRows) =>
          catalog.renameBucket(name, newName, [...tokenRows, ...policyRows, ...taskRows]),
        ),
      ),
    );
    answerLater(exchange, renamed, () => exchange.ok());
  });
  body.receive(front.headers);
}

/** `application/json` or `application/*+json`, whatever its parameters. */
function isJsonType(headers: RequestHeaders): boolean {
  const [type = ''] = headers.rawContentType.split(';');
  return /^application\/(json|[^/]+\+json)$/i.test(type.trim());
}

/** @throws ApiError 400 for what is no JSON, 422 for what is no rename. */
function newBucketName(text: string): string {
  let value: JsonValue;
  try {
    value = parseJson(text, JSON_BODY_LIMITS);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw unreadable(error.message);
    throw error;
  }
  const newName = isJsonObject(value) ? value.get('new_name') : undefined;
  if (typeof newName === 'string') return newName;
  const why = newName === undefined ? 'missing field `new_name`' : 'new_name: expected a string';
  throw new ApiError(422, `Failed to deserialize the JSON body into the target type: ${why}`);
}

function unreadable(message: string): ApiError {
  return new ApiError(400, `Failed to parse the request body as JSON: ${message}`);
}

export function renameEntry(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  front.headers.scan(req, exchange);
  const { authorization } = front.headers;
  const options = {
    maxBytes: MAX_SETTINGS_BYTES,
    tooLarge: TOO_LARGE,
    notText: invalidJson('invalid unicode code point'),
    beforeLarge: () => identify(front, exchange, authorization),
  };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    const newName = stringMember(parseJsonObject(text), 'new_name');
    if (newName === undefined) throw invalidJson('missing field `new_name`');
    const { catalog, replications } = front.deps;
    requireWrite(front, identify(front, exchange, authorization), route.name);
    const renamed = catalog
      .renameEntry(route.name, route.entryName, newName)
      .then(() => replications.entriesRenamed(route.name));
    answerLater(exchange, renamed, () => exchange.ok());
  });
  body.receive(front.headers);
}
