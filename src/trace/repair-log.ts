/** Repairs made, as growing columns. `span` holds rows of the input columns. */
export type RepairLog = {
  count: number
  kind: Uint8Array
  span: Uint32Array
  shiftNs: Float64Array
}

export function createRepairLog(): RepairLog {
  return { count: 0, kind: new Uint8Array(64), span: new Uint32Array(64), shiftNs: new Float64Array(64) }
}

export function logRepair(log: RepairLog, kind: number, row: number, shiftNs = 0): void {
  const i = log.count++
  if (i === log.kind.length) {
    const kinds = new Uint8Array(2 * i)
    kinds.set(log.kind)
    log.kind = kinds
    const spans = new Uint32Array(2 * i)
    spans.set(log.span)
    log.span = spans
    const shifts = new Float64Array(2 * i)
    shifts.set(log.shiftNs)
    log.shiftNs = shifts
  }
  log.kind[i] = kind
  log.span[i] = row
  log.shiftNs[i] = shiftNs
}
