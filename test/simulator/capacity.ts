import { appendSpan, createColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'
import type { FactorOf, Observed } from './program.ts'

/**
 * Requests that share what is finite: a pool of database connections and the workers of a second service. A faster
 * component also shortens others' waiting, which re-scheduling each request on its own cannot know.
 */
export function runCapacity(seed: number, count: number, factorOf: FactorOf = () => 1): Observed {
  const random = seeded(seed)
  const gapMs = 6 + 6 * random()
  const connections = 1 + Math.floor(2 * random())
  const workers = 2 + Math.floor(2 * random())
  const medians = {
    query: 4 + 5 * random(),
    work: 1 + 4 * random(),
    back: 6 + 12 * random(),
    store: 1 + 3 * random(),
  }
  const draw = (request: number, site: number, medianMs: number, component: string) => {
    const drawn = seeded(
      Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(request + 1, 0x85ebca6b) ^ Math.imul(site + 1, 0xc2b2ae35),
    )
    drawn()
    const normal = Math.sqrt(-2 * Math.log(1 - drawn())) * Math.cos(2 * Math.PI * drawn())
    return Math.round(medianMs * 1e6 * Math.exp(0.6 * normal)) * factorOf(component)
  }
  const columns = createColumns(createDictionary(), count * 8)
  const latenciesNs = new Float64Array(count)
  const emit = (
    request: number,
    id: number,
    parent: number,
    kind: string,
    service: string,
    name: string,
    from: number,
    to: number,
    attributes: Record<string, string> = {},
  ) =>
    appendSpan(columns, {
      traceId: (request + 1).toString(16),
      spanId: id.toString(16),
      parentSpanId: parent === 0 ? '' : parent.toString(16),
      startNs: 1_767_225_600_000_000_000n + BigInt(Math.round(from)),
      endNs: 1_767_225_600_000_000_000n + BigInt(Math.round(to)),
      status: 0,
      shapeKey: shapeKeyOf(shapeFieldsFrom(kind, name, { 'service.name': service }, attributes)),
    })

  /** What happens next, soonest first; ties in the order they were planned. */
  const plan: { at: number; order: number; run: () => void }[] = []
  let planned = 0
  const when = (at: number, run: () => void) => {
    const entry = { at, order: planned++, run }
    let i = plan.length
    while (i > 0 && (plan[i - 1]!.at < at || (plan[i - 1]!.at === at && plan[i - 1]!.order < entry.order)))
      i--
    plan.splice(i, 0, entry)
  }
  /** First come, first served. */
  const poolOf = (size: number) => {
    let free = size
    const waiting: ((at: number) => void)[] = []
    return {
      take(at: number, got: (at: number) => void) {
        if (free > 0) {
          free--
          got(at)
        } else waiting.push(got)
      },
      give(at: number) {
        const next = waiting.shift()
        if (next === undefined) free++
        else next(at)
      },
    }
  }
  const pool = poolOf(connections)
  const threads = poolOf(workers)
  const query = { 'db.system.name': 'postgresql', 'db.namespace': 'main' }
  let arrival = 0
  for (let request = 0; request < count; request++) {
    arrival += -gapMs * 1e6 * Math.log(1 - random())
    const began = Math.round(arrival)
    when(began, () => {
      when(began + draw(request, 0, medians.work, 'service front'), () => {
        const asked = now
        pool.take(asked, (got) => {
          const answered = got + draw(request, 1, medians.query, 'database postgresql/main')
          when(answered, () => {
            pool.give(answered)
            emit(request, 2, 1, 'CLIENT', 'front', 'SELECT', got, answered, query)
            const calls = answered + draw(request, 2, medians.work, 'service front')
            when(calls, () => {
              const reaches = calls + draw(request, 3, 0.3, 'network front->back')
              when(reaches, () =>
                threads.take(reaches, (serves) => {
                  const stores = serves + draw(request, 4, medians.back, 'service back')
                  const stored = stores + draw(request, 5, medians.store, 'database postgresql/back')
                  when(stored, () => {
                    threads.give(stored)
                    const back = stored + draw(request, 6, 0.3, 'network front->back')
                    const end = back + draw(request, 7, medians.work, 'service front')
                    emit(request, 5, 4, 'CLIENT', 'back', 'INSERT', stores, stored, {
                      ...query,
                      'db.namespace': 'back',
                    })
                    emit(request, 4, 3, 'SERVER', 'back', 'POST /back', serves, stored)
                    emit(request, 3, 1, 'CLIENT', 'front', 'POST', calls, back)
                    emit(request, 1, 0, 'SERVER', 'front', 'GET /', began, end)
                    latenciesNs[request] = end - began
                  })
                }),
              )
            })
          })
        })
      })
    })
  }
  let now = 0
  for (let next = plan.pop(); next !== undefined; next = plan.pop()) {
    now = next.at
    next.run()
  }
  return { columns, latenciesNs }
}
