/** Where a target is. Apart from the other checks of settings: clients on the command line need nothing else of them. */
import { ApiError } from '../errors/errors.ts';

/**
 * The URL of the target: an absolute `http` or `https` URL with a host (spec §1.4, row 3).
 *
 * @throws ApiError 422 `Invalid destination host '<dst_host>'`.
 */
export function parseDestinationUrl(dstHost: string): URL {
  const url = URL.canParse(dstHost) ? new URL(dstHost) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw new ApiError(422, `Invalid destination host '${dstHost}'`);
  }
  return url;
}
