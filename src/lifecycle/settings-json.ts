/** Settings of policies as JSON: request bodies, answers, and rows of the store. */
import { ApiError } from '../errors/errors.ts';
import {
  isJsonArray,
  isJsonObject,
  JsonSyntaxError,
  memberText,
  parseJson,
  stringifyJson,
  JSON_BODY_LIMITS,
} from '../wire/json.ts';
import type { JsonObject, JsonValue } from '../wire/json.ts';
import type { LifecycleMode, LifecycleSettings, LifecycleType } from './types.ts';

const TYPES: readonly LifecycleType[] = ['delete', 'compress'];
const MODES: readonly LifecycleMode[] = ['enabled', 'disabled', 'dry_run'];
const DEFAULT_INTERVAL = '3600s';

/** @throws ApiError 422 `Invalid JSON: …`. Members the contract does not know are passed over. */
export function parseLifecycleSettings(text: string): LifecycleSettings {
  const object = parseObject(text);
  const when = object.get('when') ?? null;
  return {
    type: variant(required(object, 'type'), TYPES),
    bucketName: textOf(required(object, 'bucket'), 'bucket'),
    entries: object.has('entries') ? textsOf(object.get('entries'), 'entries') : [],
    olderThan: textOf(required(object, 'older_than'), 'older_than'),
    interval: object.has('interval')
      ? textOf(object.get('interval'), 'interval')
      : DEFAULT_INTERVAL,
    whenText: when === null ? undefined : memberText(text, 'when'),
    processingInterval:
      (object.get('processing_interval') ?? null) === null
        ? undefined
        : textOf(object.get('processing_interval'), 'processing_interval'),
    mode: object.has('mode') ? variant(object.get('mode'), MODES) : 'enabled',
  };
}

/** Body of `PATCH …/mode`. @throws ApiError 422 `Invalid JSON: …`. */
export function parseLifecycleMode(text: string): LifecycleMode {
  return variant(required(parseObject(text), 'mode'), MODES);
}

/** All eight members, in the order of the contract. */
export function lifecycleSettingsJson(settings: LifecycleSettings): string {
  const { whenText, processingInterval } = settings;
  const members: readonly (readonly [name: string, json: string])[] = [
    ['type', JSON.stringify(settings.type)],
    ['bucket', JSON.stringify(settings.bucketName)],
    ['entries', JSON.stringify(settings.entries)],
    ['older_than', JSON.stringify(settings.olderThan)],
    ['interval', JSON.stringify(settings.interval)],
    ['when', whenText ?? 'null'],
    ['processing_interval', JSON.stringify(processingInterval ?? null)],
    ['mode', JSON.stringify(settings.mode)],
  ];
  return `{${members.map(([name, json]) => `"${name}":${json}`).join(',')}}`;
}

function parseObject(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = parseJson(text, JSON_BODY_LIMITS);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw invalid(error.message);
    throw error;
  }
  if (!isJsonObject(value)) throw invalid('invalid type, expected a map');
  return value;
}

function required(object: JsonObject, name: string): JsonValue {
  const value = object.get(name);
  if (value === undefined) throw invalid(`missing field \`${name}\``);
  return value;
}

function variant<T extends string>(value: JsonValue | undefined, known: readonly T[]): T {
  const found = known.find((name) => name === value);
  if (found !== undefined) return found;
  const given = typeof value === 'string' ? value : stringifyJson(value ?? null);
  const expected = known.map((name) => `\`${name}\``).join(', ');
  throw invalid(`unknown variant \`${given}\`, expected one of ${expected}`);
}

function textOf(value: JsonValue | undefined, name: string): string {
  if (typeof value === 'string') return value;
  throw invalid(`${name}: invalid type, expected a string`);
}

function textsOf(value: JsonValue | undefined, name: string): string[] {
  if (value === undefined || value === null || !isJsonArray(value)) {
    throw invalid(`${name}: invalid type, expected a sequence`);
  }
  return value.map((item) => textOf(item, name));
}

function invalid(message: string): ApiError {
  return new ApiError(422, `Invalid JSON: ${message}`);
}
