import { connect } from 'node:net'

/** What is to be sent next: a gRPC message, and what to do with its memory once the system has its bytes. */
export type Message = { bytes: Buffer; sent(): void }

export type ExportConnection = {
  /**
   * One unary call after the ones before it: `next` is asked for the message when it is its turn to be written, `answered`
   * is told whether its status is OK.
   */
  send(next: () => Message | Promise<Message>, answered: (isOk: boolean) => void): void
  close(): void
}

const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const FRAME_HEADER_BYTES = 9
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const
const ACK = 1
const END_STREAM = 1
const END_HEADERS = 4
/** That a stream is not needed any more. */
const CANCEL = 8
const SETTING = { headerTableSize: 1, initialWindowSize: 4, maxFrameSize: 5 } as const
/** HTTP/2's own, until the other end says otherwise. */
const FIRST_WINDOW_BYTES = 65_535
const FIRST_FRAME_BYTES = 16_384
/** `grpc-status: 0` where no table is kept: a literal, the name in HPACK's Huffman code. */
const STATUS_OK = Buffer.from('00889acac8b21234da8f0130', 'hex')

/**
 * A gRPC client for one method over HTTP/2 frames that it puts together itself (RFC 9113), with flow control: a message goes
 * from where it is into the socket, with nothing made or copied for it. One that is meant for more takes as much of the
 * processor as the receiver that is to be measured.
 */
export function openExportConnection(address: string, encoding: 'identity' | 'gzip'): ExportConnection {
  const colon = address.lastIndexOf(':')
  const queue: { next: () => Message | Promise<Message>; answered: (isOk: boolean) => void }[] = []
  const unanswered = new Map<number, (isOk: boolean) => void>()
  const headers = headerBlock(address, encoding)
  let streamId = -1
  let frameBytes = FIRST_FRAME_BYTES
  let streamWindow = FIRST_WINDOW_BYTES
  let window = FIRST_WINDOW_BYTES
  /** What is being written: its stream's own window and the bytes still to be sent. */
  let writing: { message: Message; at: number; window: number } | undefined
  let isWriting = false
  let held = Buffer.alloc(0)

  const socket = connect({
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    noDelay: true,
    onread: { buffer: Buffer.alloc(0x1_0000), callback: (bytes, buffer) => read(buffer, bytes) },
  })
  socket.on('error', fail)
  socket.on('close', fail)
  socket.write(PREFACE, 'latin1')
  socket.write(frame(FRAME.settings, 0, 0, setting(SETTING.headerTableSize, 0)))
  // Answers are small and never wait.
  socket.write(frame(FRAME.windowUpdate, 0, 0, word(2 ** 30)))

  return {
    send(next, answered) {
      queue.push({ next, answered })
      if (!isWriting) void writeNext()
    },
    close: () => socket.end(),
  }

  async function writeNext(): Promise<void> {
    const call = queue.shift()
    isWriting = call !== undefined
    if (call === undefined) return
    const message = await call.next()
    streamId += 2
    unanswered.set(streamId, call.answered)
    writing = { message, at: 0, window: streamWindow }
    socket.cork()
    socket.write(frame(FRAME.headers, END_HEADERS, streamId, headers))
    writeData()
    socket.uncork()
  }

  /** As much as the windows let through. */
  function writeData(): void {
    if (writing === undefined) return
    const { message } = writing
    const { bytes } = message
    while (writing.at < bytes.length) {
      const size = Math.min(frameBytes, window, writing.window, bytes.length - writing.at)
      if (size <= 0) return
      const isLast = writing.at + size === bytes.length
      socket.write(frameHeader(size, FRAME.data, isLast ? END_STREAM : 0, streamId))
      const part = bytes.subarray(writing.at, writing.at + size)
      if (isLast) socket.write(part, written)
      else socket.write(part)
      writing.at += size
      writing.window -= size
      window -= size
    }
  }

  function written(): void {
    writing?.message.sent()
    writing = undefined
    void writeNext()
  }

  function read(buffer: Uint8Array, bytes: number): boolean {
    let input = Buffer.from(buffer.buffer, buffer.byteOffset, bytes)
    if (held.length > 0) input = Buffer.concat([held, input])
    let at = 0
    while (input.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + input.readUIntBE(at, 3)
      if (end > input.length) break
      const id = input.readUInt32BE(at + 5) & 0x7fff_ffff
      take(input[at + 3]!, input[at + 4]!, id, input.subarray(at + FRAME_HEADER_BYTES, end))
      at = end
    }
    held = at === input.length ? NOTHING : Buffer.from(input.subarray(at))
    socket.cork()
    writeData()
    socket.uncork()
    return true
  }

  function take(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === FRAME.settings && (flags & ACK) === 0) {
      for (let at = 0; at < payload.length; at += 6)
        set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
      socket.write(frame(FRAME.settings, ACK, 0, NOTHING))
    } else if (type === FRAME.ping && (flags & ACK) === 0) {
      socket.write(frame(FRAME.ping, ACK, 0, Buffer.from(payload)))
    } else if (type === FRAME.windowUpdate) {
      const more = payload.readUInt32BE(0) & 0x7fff_ffff
      if (id === 0) window += more
      else if (id === streamId && writing !== undefined) writing.window += more
    } else if (type === FRAME.headers && (flags & END_STREAM) !== 0) {
      settle(id, payload.includes(STATUS_OK))
    } else if (type === FRAME.reset) settle(id, false)
    else if (type === FRAME.goAway) fail()
  }

  function set(name: number, value: number): void {
    if (name === SETTING.maxFrameSize) frameBytes = value
    if (name !== SETTING.initialWindowSize) return
    if (writing !== undefined) writing.window += value - streamWindow
    streamWindow = value
  }

  function settle(id: number, isOk: boolean): void {
    const answered = unanswered.get(id)
    unanswered.delete(id)
    answered?.(isOk)
    if (id !== streamId || writing === undefined || writing.at === writing.message.bytes.length) return
    // Turned away before all of it was sent: nobody reads the rest.
    socket.write(frame(FRAME.reset, 0, id, word(CANCEL)), written)
    writing.at = writing.message.bytes.length
  }

  function fail(): void {
    for (const id of [...unanswered.keys()]) settle(id, false)
    for (const { answered } of queue.splice(0)) answered(false)
  }
}

const NOTHING = Buffer.alloc(0)

function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  return Buffer.concat([frameHeader(payload.length, type, flags, streamId), payload])
}

function frameHeader(size: number, type: number, flags: number, streamId: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
  header.writeUIntBE(size, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(streamId, 5)
  return header
}

function setting(name: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([0, name]), word(value)])
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** HPACK (RFC 7541) without a table that grows: numbers of its static table, and literals. */
function headerBlock(authority: string, encoding: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')])
  const literal = (name: string | number[], value: string) =>
    Buffer.concat([
      typeof name === 'string' ? Buffer.concat([Buffer.from([0]), text(name)]) : Buffer.from(name),
      text(value),
    ])
  return Buffer.concat([
    Buffer.from([0x83, 0x86]), // :method POST, :scheme http
    literal([0x04], EXPORT), // :path
    literal([0x01], authority), // :authority
    literal([0x0f, 0x10], 'application/grpc'), // content-type
    literal('te', 'trailers'),
    literal('grpc-encoding', encoding),
  ])
}
