/** What Grafana's data source (clickhouse-go over HTTP) asks first. */
const HELLO = /^\s*SELECT\s+displayName\(\)\s*,\s*version\(\)\s*,\s*revision\(\)\s*,\s*timezone\(\)\s*$/i

/** From this protocol revision on, a flag stands before each column's values. */
const REVISION_WITH_FLAGS = 54_454
/** Field 1, overflows: no; field 2, bucket: -1; end. */
const BLOCK_INFO = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0])

/** Whether a statement is the driver's first question, which the engine itself cannot answer (displayName). */
export function isHello(sql: string): boolean {
  return HELLO.test(sql)
}

/**
 * The answer as a Native block of the protocol revision that the driver speaks before it knows ours. It says revision
 * 0: from then on the driver reads plain blocks, which is what the engine writes.
 */
export function helloBlock(version: string, revision: number): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([Buffer.byteLength(value)]), Buffer.from(value)])
  const flag = Buffer.from(revision >= REVISION_WITH_FLAGS ? [0] : [])
  const column = (name: string, type: string, value: Buffer) => [text(name), text(type), flag, value]
  return Buffer.concat([
    revision > 0 ? BLOCK_INFO : Buffer.alloc(0),
    Buffer.from([4, 1]),
    ...column('displayName()', 'String', text('longpole')),
    ...column('version()', 'String', text(version)),
    ...column('revision()', 'UInt32', Buffer.alloc(4)),
    ...column('timezone()', 'String', text('UTC')),
  ])
}
