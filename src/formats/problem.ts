/** Where in a file: `byte` counts from 0, `line` from 1. Of compressed files, in what they unpack to. */
export type Position = { readonly byte: number; readonly line?: number }

/** What is wrong with a file, where, and what was expected there. */
export class FormatError extends Error {
  readonly position: Position | undefined
  constructor(message: string, position?: Position, options?: ErrorOptions) {
    super(message, options)
    this.position = position
  }
}

/** `line 3, byte 120: expected ..., found ...` */
export function describeProblem(error: FormatError): string {
  if (error.position === undefined) return error.message
  const { byte, line } = error.position
  return `${line === undefined ? '' : `line ${line}, `}byte ${byte}: ${error.message}`
}

/** `Unexpected token } in JSON at position 5`, `... (line 1 column 6)`: what V8 says of faulty JSON. */
const V8_POSITION = / in JSON at position (\d+).*| \(line \d+ column \d+\)/

/** @throws FormatError at the place of the fault. */
export function parseJson(text: string, at: Position): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    const offset = Number(V8_POSITION.exec(message)?.[1] ?? 0)
    const before = text.slice(0, offset)
    const lines = before.split('\n').length - 1
    throw new FormatError(
      `not JSON: ${message.replace(V8_POSITION, '')}`,
      {
        byte: at.byte + Buffer.byteLength(before),
        ...(at.line === undefined ? {} : { line: at.line + lines }),
      },
      { cause },
    )
  }
}
