import { OTHER_COMPONENT } from '../trace/component.ts'
import { DETACHED, ORPHAN } from '../trace/repair.ts'
import { CLIENT, SERVER, STATUS_ERROR } from '../trace/span.ts'
import { type Check, checksOf, type Grade } from './doctor-checks.ts'
import { type InputLinks, linkInput } from './input-links.ts'
import { createKeptTraces, type Kept } from './kept-traces.ts'
import { type Analysis, ROOT_ENTRY, SERVICE } from './result.ts'

export type Diagnosis = { spans: number; traces: number; grade: Grade; checks: Check[] }

/** What is counted over the input, batch by batch. */
export type Doctor = {
  add(analysis: Analysis): void
  /** `cappedNames`: endpoints of the range that are stored as `(other)`. */
  diagnose(cappedNames?: number): Diagnosis
}

/** How many of all. */
export type Tally = { of: number; all: number }
type Tallies = Map<string, Tally>

/** By service, or by pair of them; `pairs` and `outside` by pair of instances. */
export type Counts = {
  spans: number
  traces: number
  /** Traces without a root, by the service of the span that they begin with instead. */
  rootless: Tallies
  /** ... of all traces, also those of which nothing was left. */
  rootlessTraces: number
  orphans: Tallies
  detached: Tallies
  /** Callee's clock minus the caller's by each call that tells, ns; 0: they agree. */
  pairs: Map<string, number[]>
  outside: Tallies
  /** Calls to a service that is instrumented which no SERVER span belongs to. */
  unanswered: Tallies
  /** Spans that have the attributes that name what they are about. */
  coverage: Record<'database' | 'messaging' | 'http', Tallies>
  instances: Tallies
  /** Whether what was kept looks chosen. */
  kept: Kept
  otherNs: number
  criticalNs: number
  cappedNames: number
}

/** Offsets kept a pair: enough for a median. */
const MOST_OFFSETS = 1000

/** Is the input good enough to answer from? Counts over analyzed traces. */
export function createDoctor(): Doctor {
  const kept = createKeptTraces()
  const counts: Counts = {
    spans: 0,
    traces: 0,
    rootless: new Map(),
    rootlessTraces: 0,
    orphans: new Map(),
    detached: new Map(),
    pairs: new Map(),
    outside: new Map(),
    unanswered: new Map(),
    coverage: { database: new Map(), messaging: new Map(), http: new Map() },
    instances: new Map(),
    kept: kept.tell(),
    otherNs: 0,
    criticalNs: 0,
    cappedNames: 0,
  }
  const { rootless, orphans, detached, pairs, outside, unanswered, coverage, instances } = counts

  return {
    add(analysis) {
      const links = linkInput(analysis.spans)
      counts.spans += analysis.spans.count
      counts.traces += analysis.traces.count
      countTraces(analysis)
      countSpans(analysis)
      countCalls(analysis, links)
      countTime(analysis)
      kept.add(analysis)
    },
    diagnose(cappedNames = 0) {
      counts.cappedNames = cappedNames
      counts.kept = kept.tell()
      const checks = checksOf(counts)
      const grades = new Set(checks.map(({ grade }) => grade))
      const grade = grades.has('bad') ? 'bad' : grades.has('warn') ? 'warn' : 'ok'
      return { spans: counts.spans, traces: counts.traces, grade, checks }
    },
  }

  function countTraces({ traces: rows, samples, repairs, spans: columns }: Analysis): void {
    const serviceOf = (row: number) => columns.dictionary.fields(columns.shape[row]!).service
    for (let t = 0; t < rows.count; t++) {
      const from = rows.firstSample[t]!
      const to = rows.firstSample[t + 1]!
      let root = false
      for (let s = from; s < to; s++) if (samples.kind[s] === ROOT_ENTRY) root = true
      if (!root) counts.rootlessTraces++
      // The primary entry comes first.
      if (from < to) count(rootless, serviceOf(samples.span[from]!), !root)
    }
    for (let i = 0; i < repairs.count; i++) {
      if (repairs.kind[i] === ORPHAN) tally(orphans, serviceOf(repairs.span[i]!)).of++
      else if (repairs.kind[i] === DETACHED) tally(detached, serviceOf(repairs.span[i]!)).of++
    }
  }

  function countSpans({ spans: columns }: Analysis): void {
    const { dictionary, shape } = columns
    for (let row = 0; row < columns.count; row++) {
      const fields = dictionary.fields(shape[row]!)
      const { service } = fields
      tally(orphans, service).all++
      tally(detached, service).all++
      count(instances, service, fields.instance !== '')
      if (fields.dbSystem !== '' && fields.kind !== 'SERVER') {
        count(coverage.database, service, fields.dbNamespace !== '' || fields.serverAddress !== '')
      } else if (fields.kind === 'PRODUCER' || fields.kind === 'CONSUMER') {
        count(coverage.messaging, service, fields.messagingSystem !== '' && fields.destination !== '')
      } else if (fields.kind === 'SERVER' && fields.httpMethod !== '') {
        count(coverage.http, service, fields.httpRoute !== '')
      } else if (fields.kind === 'CLIENT' && fields.httpMethod !== '') {
        count(coverage.http, service, fields.serverAddress !== '' || fields.peerService !== '')
      }
    }
  }

  /** Calls from a CLIENT to a SERVER: clocks of both ends; and calls that no SERVER of the called service belongs to. */
  function countCalls({ spans: columns }: Analysis, { parent, startNs, endNs }: InputLinks): void {
    const { dictionary, shape } = columns
    const { shapeKind } = dictionary
    const answered = new Uint8Array(columns.count)
    const rootServers = new Set<string>()
    for (let row = 0; row < columns.count; row++) {
      if (shapeKind[shape[row]!] !== SERVER) continue
      const fields = dictionary.fields(shape[row]!)
      const caller = parent[row]!
      if (caller < 0) {
        rootServers.add(fields.service)
        continue
      }
      answered[caller] = 1
      if (shapeKind[shape[caller]!] !== CLIENT) continue
      const from = dictionary.fields(shape[caller]!)
      const pair = `${instanceOf(from)} -> ${instanceOf(fields)}`
      const early = startNs[row]! - startNs[caller]!
      const late = endNs[row]! - endNs[caller]!
      count(outside, pair, early < 0 || late > 0)
      const offsetNs = offsetOf(early, late, columns.status[caller] === STATUS_ERROR)
      if (offsetNs === undefined) continue
      const offsets = pairs.get(pair)
      if (offsets === undefined) pairs.set(pair, [offsetNs])
      else if (offsets.length < MOST_OFFSETS) offsets.push(offsetNs)
    }
    for (let row = 0; row < columns.count; row++) {
      if (shapeKind[shape[row]!] !== CLIENT) continue
      const { service, serverAddress, peerService } = dictionary.fields(shape[row]!)
      // The first label of a host is often the name of a service.
      const called = [peerService, serverAddress, serverAddress.split('.')[0]!].find(
        (name) => name !== '' && name !== service && rootServers.has(name),
      )
      if (called !== undefined) count(unanswered, `${service} -> ${called}`, answered[row] === 0)
    }
  }

  function countTime({ samples, components, spans: columns }: Analysis): void {
    const { dictionary } = columns
    for (let s = 0; s < samples.count; s++) {
      if (samples.counted[s] === 0 || samples.kind[s] === SERVICE) continue
      for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
        counts.criticalNs += components.criticalNs[i]!
        const { kind, name } = dictionary.components[components.component[i]!]!
        const other = kind === OTHER_COMPONENT.kind && name === OTHER_COMPONENT.name
        if (other || components.bound[i] === 1) counts.otherNs += components.criticalNs[i]!
      }
    }
  }
}

/**
 * How far the callee's clock is from the caller's by one call, ns: its start and end are `early` and `late` after the
 * caller's. A callee that lies within its caller says nothing against its clock; else its middle lies in the caller's,
 * if both ways take the same time. undefined: what is longer than its caller, or was still running when that had given
 * up, was not waited for.
 */
function offsetOf(early: number, late: number, gaveUp: boolean): number | undefined {
  if (early >= 0 && late <= 0) return 0
  return late > early || (gaveUp && early >= 0) ? undefined : (early + late) / 2
}

function instanceOf({ service, instance }: { service: string; instance: string }): string {
  return instance === '' ? service : `${service} (${instance})`
}

function tally(tallies: Tallies, key: string): Tally {
  let known = tallies.get(key)
  if (known === undefined) {
    known = { of: 0, all: 0 }
    tallies.set(key, known)
  }
  return known
}

function count(tallies: Tallies, key: string, is: boolean): void {
  const known = tally(tallies, key)
  known.all++
  if (is) known.of++
}
