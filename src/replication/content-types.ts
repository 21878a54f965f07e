/** Content types of compressed content (replication §5.4). */

const COMPRESSED_TYPES =
  /^(image\/(?!svg|bmp|x-portable)|video\/|audio\/(?!wav|x-wav|l16|pcm|basic)|application\/(zip|gzip|x-gzip|zstd|x-7z-compressed|x-xz|x-bzip2?|vnd\.rar|x-rar-compressed)(;|$))/i;

/** Whether content of this type is compressed already, so that compressing it again is time spent for nothing. */
export function isCompressedType(contentType: string): boolean {
  return COMPRESSED_TYPES.test(contentType);
}
