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
