/**
 * What is known of a record's content type and labels, once per distinct value and thread: sensors repeat them in every
 * record.
 */
import type { BlockView } from '../../store/block.ts';
import { pathOfMeta, writtenLabelsOfMeta } from '../../store/record-meta.ts';
import type { Labels } from '../../store/labels.ts';
import { labelValue } from '../../store/labels.ts';
import { formatBatchV1Tail } from '../../wire/batch-v1.ts';
import { isCompressedType } from '../content-types.ts';
import { LineEnd } from './line-end.ts';
import { LogBlock } from './log-block.ts';
import { isHeaderToken, isPrintableAscii } from '../../wire/header-text.ts';

/**
 * How a record can travel (replication §5.3): in a batch header, in the headers of a single-record request, or not at
 * all, which is an error of that record.
 */
export type Carrier = 'batch' | 'single' | 'none';

export interface MetaInfo {
  readonly contentType: string;
  readonly labels: Labels;
  /** Labels that the record was written with, which filters decide by (replication §2.1). */
  readonly writtenLabels: Labels;
  readonly carrier: Carrier;
  /** `,<content type>[,<label>=<value>…]`, for carrier `batch`. */
  readonly tail: string;
  /** For carrier `batch`. */
  readonly lineEnd: LineEnd;
  /** Why the carrier is `none`. */
  readonly refusal: string;
  /** On an attachment: it is removed (label `remove=true`, replication §2.6). */
  readonly isRemoval: boolean;
  /** The content type is one of compressed content. */
  readonly isCompressed: boolean;
  /** See `replication-path.ts`. */
  readonly path: string;
}

const REMOVE_LABEL = 'remove';

/** Distinct metas kept per thread; policy when full: `forget_all`. */
const MAX_METAS = 8192;

export class MetaCache {
  readonly #known: Map<string, MetaInfo> = new Map();

  /** Of meta number `metaIndex` of a block; equal content type and labels give the identical object, mostly. */
  of(view: BlockView, metaIndex: number): MetaInfo {
    if (!(view instanceof LogBlock)) return this.#lookUp(view, metaIndex);
    let info = view.metaInfos[metaIndex];
    if (info === undefined) {
      info = this.#lookUp(view, metaIndex);
      view.metaInfos[metaIndex] = info;
    }
    return info;
  }

  #lookUp(view: BlockView, metaIndex: number): MetaInfo {
    const key = view.metaBytes(metaIndex).toString('latin1');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { contentType, labels } = view.meta(metaIndex);
    const bytes = view.metaBytes(metaIndex);
    const written = writtenLabelsOfMeta(bytes);
    const info = describeMeta(contentType, labels, pathOfMeta(bytes), written ?? labels);
    if (this.#known.size >= MAX_METAS) this.#known.clear();
    this.#known.set(key, info);
    return info;
  }
}

/** Pure: how content type and labels look in headers, and whether they can. */
export function describeMeta(
  contentType: string,
  labels: Labels,
  path = '',
  writtenLabels: Labels = labels,
): MetaInfo {
  const isCompressed = isCompressedType(contentType);
  const carrier = carrierOf(contentType, labels);
  return {
    contentType,
    labels,
    writtenLabels,
    isRemoval: isRemovalOf(labels),
    isCompressed,
    path,
    ...carrier,
    lineEnd: new LineEnd(carrier.tail),
  };
}

/** See `MetaInfo.isRemoval`. */
export function isRemovalOf(labels: Labels): boolean {
  return labelValue(labels, REMOVE_LABEL) === 'true';
}

/** The same labels without the one that marks an attachment as removed. */
export function withoutRemoval({ contentType, labels, path }: MetaInfo): MetaInfo {
  const kept: string[] = [];
  for (let i = 0; i + 1 < labels.length; i += 2) {
    const name = labels[i] ?? '';
    if (name !== REMOVE_LABEL) kept.push(name, labels[i + 1] ?? '');
  }
  return describeMeta(contentType, kept, path);
}

/** How a record can travel, with what its header line says in a batch. */
export function carrierOf(
  contentType: string,
  labels: Labels,
): Pick<MetaInfo, 'carrier' | 'tail' | 'refusal'> {
  const refusal = unprintable(contentType, labels);
  if (refusal !== '') return { carrier: 'none', tail: '', refusal };
  if (fitsBatch(contentType, labels)) {
    const tail = formatBatchV1Tail(contentType, labels);
    return { carrier: 'batch', tail, refusal: '' };
  }
  if (fitsSingle(contentType, labels)) {
    return { carrier: 'single', tail: '', refusal: '' };
  }
  const text = 'The labels of the record cannot be expressed in HTTP headers';
  return { carrier: 'none', tail: '', refusal: text };
}

function unprintable(contentType: string, labels: Labels): string {
  if (!isPrintableAscii(contentType)) return 'The content type of the record is not visible ASCII';
  for (let i = 0; i + 1 < labels.length; i += 2) {
    if (!isPrintableAscii(labels[i] ?? '') || !isPrintableAscii(labels[i + 1] ?? '')) {
      return 'A label of the record is not visible ASCII';
    }
  }
  return '';
}

/** Readers split at commas and at the first `=`, trim the parts, and know quotes only at the start of a value. */
function fitsBatch(contentType: string, labels: Labels): boolean {
  if (contentType.includes(',') || !isTrimmed(contentType)) return false;
  for (let i = 0; i + 1 < labels.length; i += 2) {
    const name = labels[i] ?? '';
    const value = labels[i + 1] ?? '';
    if (name === '' || /[,=]/.test(name) || !isTrimmed(name) || !isTrimmed(value)) return false;
    if (value.startsWith('"') || (value.includes(',') && value.includes('"'))) return false;
  }
  return true;
}

/** Label names become header names, which arrive in lower case. */
function fitsSingle(contentType: string, labels: Labels): boolean {
  if (!isTrimmed(contentType)) return false;
  for (let i = 0; i + 1 < labels.length; i += 2) {
    const name = labels[i] ?? '';
    if (!isHeaderToken(name) || name !== name.toLowerCase()) return false;
    if (!isTrimmed(labels[i + 1] ?? '')) return false;
  }
  return true;
}

function isTrimmed(text: string): boolean {
  return text === text.trim();
}
