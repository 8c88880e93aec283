/** A request that is refused, with the code and name ClickHouse has for it. */
export class RefusedStatement extends Error {
  readonly code: number
  readonly type: string
  constructor(message: string, code: number, type: string) {
    super(message)
    this.code = code
    this.type = type
  }
}
