/**
 * ClickHouse error codes that blame what is on the disk.
 * https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
 */
const OF_DAMAGE = new Set([
  9, // SIZES_OF_COLUMNS_DOESNT_MATCH
  33, // CANNOT_READ_ALL_DATA
  39, // TOO_LARGE_SIZE_COMPRESSED
  40, // CHECKSUM_DOESNT_MATCH
  107, // FILE_DOESNT_EXIST
  226, // NO_FILE_IN_DATA_PART
  227, // UNEXPECTED_FILE_IN_DATA_PART
  228, // BAD_SIZE_OF_FILE_IN_DATA_PART
  246, // CORRUPTED_DATA
  271, // CANNOT_DECOMPRESS
  432, // UNKNOWN_CODEC
])

/**
 * Whether a statement failed of a part: `Code: 33. DB::Exception: Cannot read all data. ...: (while reading from part
 * /data/store/.../all_1_1_0/ in table longpole.otel_traces ...`. system.errors has the same without that end.
 */
export function isOfBrokenPart(error: string): boolean {
  const code = /Code: (\d+)\./.exec(error)?.[1]
  return OF_DAMAGE.has(Number(code)) && error.includes('while reading from part')
}
