import type { OracleSpan } from './oracle.ts'

type Random = () => number
const KINDS = ['CLIENT', 'CONSUMER', 'INTERNAL', 'PRODUCER', 'SERVER']

/** A trace of all that goes wrong in real ones: seeded, so that a failure can be had again. */
export function messyTrace(random: Random): OracleSpan[] {
  const shape = random()
  return shape < 0.02 ? timedOutChain(random) : shape < 0.025 ? manyCallees(random) : messyTree(random)
}

/** SERVERs below each other, most of which outlive their caller: more than 16 that were cut, and what they call. */
function timedOutChain(random: Random): OracleSpan[] {
  const int = (n: number) => Math.floor(random() * n)
  const spans: OracleSpan[] = []
  let from = 0
  let to = 1000
  for (let i = 20 + int(12); i > 0; i--) {
    const parentSpanId = spans.findLast(({ name }) => name === 'serve')?.spanId ?? ''
    const kind = random() < 0.95 ? 'SERVER' : KINDS[int(KINDS.length)]!
    spans.push(spanOf(spans.length, parentSpanId, 'serve', kind, from, to, random() < 0.9 ? 2 : 0))
    const caller = spans.at(-1)!.spanId
    for (let calls = int(3); calls > 0; calls--) {
      const start = from + int(1 + to - from)
      spans.push(spanOf(spans.length, caller, 'call', 'CLIENT', start, start + int(1200), 0))
    }
    from += int(20)
    to = Math.max(from, to - 15 + int(60))
  }
  return spans
}

/** More components than are replayed, one after the other or a little beside each other. */
function manyCallees(random: Random): OracleSpan[] {
  const int = (n: number) => Math.floor(random() * n)
  const spans = [spanOf(0, '', 'serve', 'SERVER', 0, 100_000, 0)]
  const inner = random() < 0.5 ? spanOf(1, spans[0]!.spanId, 'serve', 'SERVER', 5, 99_995, 0) : undefined
  if (inner !== undefined) spans.push(inner)
  let at = 10
  for (let i = 60 + int(60); i > 0; i--) {
    const from = at - int(3) * int(30)
    at = from + 100 + int(4) * 100
    spans.push(spanOf(spans.length, (inner ?? spans[0]!).spanId, `call ${int(110)}`, 'CLIENT', from, at, 0))
  }
  return spans
}

function spanOf(
  index: number,
  parentSpanId: string,
  name: string,
  kind: string,
  from: number,
  to: number,
  status: number,
): OracleSpan {
  const epochNs = 1_767_225_600_000_000_000n
  return {
    spanId: (0x100 + index).toString(16).padStart(16, '0'),
    parentSpanId,
    name,
    kind,
    startNs: epochNs + BigInt(from),
    endNs: epochNs + BigInt(to),
    status,
    resource: { 'service.name': name === 'serve' ? `s${index % 3}` : 's0' },
    attributes: {},
  }
}

function messyTree(random: Random): OracleSpan[] {
  const int = (n: number) => Math.floor(random() * n)
  const pick = <T>(items: readonly T[]): T => items[int(items.length)]!
  const chance = (p: number) => random() < p

  const size = chance(0.1) ? 20 + int(60) : 1 + int(14)
  const services = ['a', 'b', 'c', 'd'].slice(0, 1 + int(4))
  // Few distinct times make ties; large units make percentages.
  const unitNs = pick([1, 10, 1000, 1_000_000, 997])
  const grid = pick([6, 20, 400, 5000, 1_000_000])
  // Siblings that run a little into the next: about 1 % of their length.
  const staircase = chance(0.25)
  const epochNs = 1_767_225_600_000_000_000n + (chance(0.5) ? 0n : BigInt(int(1_000_000)))
  const skew = new Map(services.map((s) => [s, chance(0.3) ? int(grid) - Math.floor(grid / 2) : 0]))
  const messyTimes = chance(0.5)
  const jitter = services.filter(() => chance(0.3))
  const spans: (OracleSpan & { from: number; to: number })[] = []

  for (let i = 0; i < size; i++) {
    const parent = i === 0 || chance(0.05) ? undefined : spans[Math.max(0, i - 1 - int(pick([1, 3, 10])))]
    const service = parent && chance(0.6) ? String(parent.resource['service.name'] ?? 'a') : pick(services)
    let from: number
    let to: number
    if (parent === undefined || messyTimes) {
      from = int(grid)
      to = from + int(grid)
    } else {
      const last = spans.filter((s) => s.parentSpanId === parent.spanId).at(-1)
      // After a sibling, touching it, overlapping it a little, or anywhere.
      const length = 1 + int(Math.max(1, parent.to - parent.from))
      from = last
        ? pick([last.to, last.to + int(3), last.to - 1 - int(3), last.from, parent.from + int(length)])
        : parent.from + int(3)
      to = pick([from + int(length), parent.to, parent.to + int(4), from])
      if (staircase) {
        from = last ? Math.max(parent.from, last.to - int(2 + (last.to - last.from) / 60)) : parent.from
        to = from + Math.ceil((parent.to - parent.from) / 6)
      }
      if (to < from) to = from
    }
    const kind =
      parent?.kind === 'CLIENT' && chance(0.5)
        ? 'SERVER'
        : parent?.kind === 'PRODUCER' && chance(0.5)
          ? 'CONSUMER'
          : pick(KINDS)
    const attributes: Record<string, unknown> = {}
    if (chance(0.15)) attributes['db.system.name'] = pick(['pg', 'redis', ''])
    if (chance(0.1)) attributes['db.namespace'] = pick(['x', 'y'])
    if (chance(0.15)) attributes['messaging.system'] = 'kafka'
    if (chance(0.1)) attributes['messaging.destination.name'] = pick(['q', 'r'])
    if (chance(0.1)) attributes['messaging.operation.type'] = pick(['receive', 'process', 'send'])
    if (chance(0.2))
      attributes[pick(['net.peer.name', 'server.address', 'url.full', 'tls.x'])] = pick(['h1', 'h2', ''])
    if (chance(0.1)) attributes.extra = int(3)
    const resource: Record<string, unknown> = { 'service.name': service }
    if (chance(0.3)) resource['service.instance.id'] = pick(['1', '2'])
    else if (chance(0.1)) resource['host.name'] = pick(['h', 'i'])
    spans.push({
      spanId: (0x100 + (chance(0.5) ? i : 0x80 - i)).toString(16).padStart(16, '0'),
      parentSpanId: parent?.spanId ?? '',
      name: pick(['get', 'put']),
      kind,
      from,
      to,
      startNs: 0n,
      endNs: 0n,
      status: chance(0.15) ? 2 : 0,
      resource,
      attributes,
    })
  }
  for (const span of spans) {
    const service = String(span.resource['service.name'])
    const offset = skew.get(service) ?? 0
    const noise = jitter.includes(service) ? BigInt(int(7)) : 0n
    span.startNs = epochNs + BigInt((span.from + offset) * unitNs) + noise
    span.endNs = epochNs + BigInt((span.to + offset) * unitNs) + noise
  }
  const times = chance(0.4) ? 1 + int(3) : 0
  for (let i = 0; i < times; i++) damage(spans, random)
  return spans.map(({ from: _from, to: _to, ...span }) => span)
}

/** One thing that broken instrumentation, clocks or transport do. */
function damage(spans: OracleSpan[], random: Random): void {
  const int = (n: number) => Math.floor(random() * n)
  const any = () => spans[int(spans.length)]!
  const span = any()
  const copy = { ...span, from: 0, to: 0 } as OracleSpan
  switch (int(11)) {
    case 0:
      if (span.startNs > 1000n) span.endNs = span.startNs - BigInt(int(1000))
      break
    case 1:
      span.startNs = 0n
      break
    case 2:
      span.startNs = span.endNs = 0n
      break
    case 3:
      span.endNs = span.startNs + 51n * 86_400_000_000_000n
      break
    case 4:
      if (span.startNs > 0n) span.startNs += 60n * 86_400_000_000_000n * (random() < 0.5 ? 1n : -1n)
      span.endNs = span.startNs + 5n
      break
    case 5:
      span.parentSpanId = 'ffffffffffffff00'
      break
    case 6: // cycles, self-parents among them
      span.parentSpanId = any().spanId
      break
    case 7:
      spans.push(copy)
      break
    case 8:
      spans.push({ ...copy, attributes: { ...span.attributes, 'db.system.name': 'mysql', a: int(3) } })
      break
    case 9: // the two halves of one call
      spans.push({
        ...copy,
        kind: span.kind === 'CLIENT' ? 'SERVER' : 'CLIENT',
        resource: { 'service.name': random() < 0.7 ? 'z' : span.resource['service.name'] },
        startNs: span.startNs + BigInt(int(3)),
      })
      break
    default:
      spans.push({ ...copy, endNs: span.endNs + BigInt(int(50)), kind: KINDS[int(KINDS.length)]! })
  }
}
