import { RefusedStatement } from './refused.ts'

/** Request parameters that are no settings. */
const PARAMETERS = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'user',
  'password',
  'wait_end_of_query',
  'buffer_size',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'enable_http_compression',
  'http_zlib_compression_level',
  'client_protocol_version',
  'session_id',
  'session_check',
  'session_timeout',
  'role',
  'quota_key',
  'spooled',
  'spool_answer',
])

/** Settings a request may make: what the client, Grafana's data source and the store send. */
const ALLOWED = new Set([
  'readonly',
  'max_execution_time',
  'max_result_rows',
  'max_result_bytes',
  'result_overflow_mode',
  'limit',
  'offset',
  'max_rows_to_read',
  'max_bytes_to_read',
  'read_overflow_mode',
  'max_threads',
  'max_insert_threads',
  'max_block_size',
  'max_insert_block_size',
  'min_insert_block_size_rows',
  'min_insert_block_size_bytes',
  'max_memory_usage',
  'max_partitions_per_insert_block',
  'max_query_size',
  'insert_deduplicate',
  'insert_deduplication_token',
  'deduplicate_blocks_in_dependent_materialized_views',
  'materialized_views_ignore_errors',
  'materialize_skip_indexes_on_insert',
  'optimize_on_insert',
  'parallel_view_processing',
  'async_insert',
  'wait_for_async_insert',
  'fsync_metadata',
  'final',
  'do_not_merge_across_partitions_select_final',
  'join_use_nulls',
  'optimize_read_in_order',
  'date_time_input_format',
  'date_time_output_format',
  'output_format_json_quote_64bit_integers',
  'output_format_json_quote_denormals',
  'output_format_native_encode_types_in_binary_format',
  'input_format_native_decode_types_in_binary_format',
  'input_format_skip_unknown_fields',
  'input_format_null_as_default',
  'input_format_json_use_string_type_for_ugly_paths_in_json_objects',
  'output_format_binary_write_json_as_string',
  'low_cardinality_allow_in_native_format',
  'allow_experimental_analyzer',
  'allow_suspicious_low_cardinality_types',
  'mutations_sync',
  'alter_sync',
  'log_comment',
  'log_queries',
  'session_timezone',
])

export type RequestSettings = {
  settings: [name: string, value: string][]
  params: [name: string, value: string][]
}

/** Splits a request's parameters. @throws RefusedStatement for a setting that is not known here */
export function readSettings(parameters: URLSearchParams): RequestSettings {
  const settings: [string, string][] = []
  const params: [string, string][] = []
  for (const [name, value] of parameters) {
    if (name.startsWith('param_')) params.push([name, value])
    else if (ALLOWED.has(name)) settings.push([name, value])
    else if (!PARAMETERS.has(name)) {
      throw new RefusedStatement(`Setting ${name} is neither known nor allowed here`, 115, 'UNKNOWN_SETTING')
    }
  }
  for (const [name] of params) {
    if (!/^param_\w+$/.test(name)) {
      throw new RefusedStatement(`${name} is no name of a query parameter`, 36, 'BAD_ARGUMENTS')
    }
  }
  return { settings, params }
}

/** A string literal of ClickHouse SQL. A NUL as it is would end the statement: the engine takes it as a C string. */
export function quoteText(text: string): string {
  return `'${text.replace(/[\\']/g, (sign) => `\\${sign}`).replaceAll('\0', '\\0')}'`
}

/** Characters: each is up to four bytes of a statement, of which 256 KiB are taken by default. */
const LONG_PARAMETER = 50_000

/** `SET` statements that make a fresh session what the request asked for. */
export function setStatements({ settings, params }: RequestSettings): string[] {
  const set = ([name, value]: [string, string]) => `SET ${name} = ${quoteText(value)}`
  const isLong = params.some(([, value]) => value.length > LONG_PARAMETER)
  // To ClickHouse parameters are no part of a statement, whose size it limits.
  const [before, after] = isLong ? ['SET max_query_size = 0', 'SET max_query_size = DEFAULT'] : []
  return [before, ...params.map(set), after, ...settings.map(set)].filter((one) => one !== undefined)
}
