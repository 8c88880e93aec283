import { describe, expect, it } from 'vitest'
import { traceIdHex } from '../../src/trace/columns.ts'
import { type Details, draw } from '../draw.ts'
import { type Body, type Plant, plantTraffic } from './planted.ts'
import { findingsIn } from './score.ts'

const COLUMN_MS = 10
const query = (text: string, more: Partial<Details> = {}): Details => ({
  kind: 'CLIENT',
  name: text.split(' ').slice(0, 2).join(' '),
  parent: 'A',
  ...more,
  attributes: {
    'db.system.name': 'postgresql',
    'db.namespace': 'shop',
    'db.query.text': text,
    ...more.attributes,
  },
})
const call = (more: Partial<Details> = {}): Details => ({
  kind: 'CLIENT',
  name: 'GET',
  parent: 'A',
  ...more,
  attributes: { 'http.request.method': 'GET', 'server.address': 'api.example', ...more.attributes },
})
const root: Details = {
  kind: 'SERVER',
  name: 'GET /orders',
  service: 'shop',
  attributes: { 'http.request.method': 'GET', 'http.route': '/orders' },
}

/** `pattern: saved ms` of the drawing's endpoint, one column 10 ms. */
function found(picture: string, details: Record<string, Details>): string[] {
  const all = { A: root, ...details }
  for (const about of Object.values(all)) about.service ??= 'shop'
  const columns = draw(picture, all, { columnNs: BigInt(COLUMN_MS * 1e6) })
  const ofEntries = findingsIn(columns).filter(({ scope }) => scope === 'trace')
  return ofEntries.map(
    (f) => `${f.pattern}: ${Math.round(f.saved.p95Ns / 1e6)}${f.unproven ? ' unproven' : ''}`,
  )
}

describe('what fixing saves, by replay', () => {
  const item = () => query('SELECT * FROM item WHERE id = $1')
  it('N+1: all calls but the longest', () => {
    const details = { B: item(), C: item(), D: item(), E: item(), F: item() }
    expect(
      found(
        `
        A =======================
         B  ==
         C    ===
         D        ==
         E           ==
         F             ==
        `,
        details,
      ),
    ).toEqual(['own-work: 120', 'n-plus-one: 80'])
    // Four are none.
    const four = `
        A =======
         B ==
         C   ==
         D     =
         E      =
        `
    expect(found(four, details)).toEqual([])
  })

  it('N+1 beside something as long: only what shows at the end', () => {
    const details = { B: item(), C: item(), D: item(), E: item(), F: item(), G: call() }
    expect(
      found(
        `
        A ============
         B ==
         C   ==
         D     ==
         E       ==
         F         ==
         G =======
        `,
        details,
      ),
    ).toEqual(['n-plus-one: 30'])
  })

  it('N+1 through wrappers', () => {
    const inner = (parent: string) => query('SELECT * FROM item WHERE id = $1', { parent })
    const wrapper = { name: 'findItem', parent: 'A' }
    const names = ['B', 'C', 'D', 'E', 'F']
    const details: Record<string, Details> = {}
    for (const name of names) {
      details[name] = wrapper
      details[`${name}q`] = inner(name)
    }
    const picture = names
      .map((name, i) => {
        const at = 4 + 3 * i
        return `${name} ${' '.repeat(at)} ===\n${name}q${' '.repeat(at)}  ==`
      })
      .join('\n')
    expect(found(`A  ${'='.repeat(22)}\n${picture}`, details)).toContain('n-plus-one: 80')
  })

  it('the same query again: what a cache answers', () => {
    const same = () => query("SELECT v FROM settings WHERE k = 'a'")
    expect(
      found(
        `
        A =========
         B ==
         C   ==
         D     ==
        `,
        { B: same(), C: same(), D: same() },
      ),
    ).toEqual(['repeated-query: 32'])
    const three = 'A =========\nB ==\nC   ==\nD     =='
    const named = () => query("SELECT v FROM settings WHERE k = 'a'", { name: 'postgresql' })
    expect(found(three, { B: named(), C: named(), D: named() })).toEqual(['repeated-query: 32'])
    const members = () => query('SMEMBERS tags', { attributes: { 'db.system.name': 'redis' } })
    expect(found(three, { B: members(), C: members(), D: members() })).toEqual(['repeated-query: 32'])
    // Not of queries that change something, whatever they begin with.
    const moving = () =>
      query("WITH gone AS (DELETE FROM a WHERE b = 'c' RETURNING d) INSERT INTO e SELECT d FROM gone")
    expect(found(three, { B: moving(), C: moving(), D: moving() })).toEqual([])
    const bound = () => query('SELECT v FROM settings WHERE k = $1')
    expect(found('A =========\nB  ==\nC    ==\nD      ==', { B: bound(), C: bound(), D: bound() })).toEqual(
      [],
    )
  })

  it('calls in a row: the longest stays', () => {
    const details = { B: call(), C: call({ attributes: { 'server.address': 'geo.example' } }) }
    const picture = `
        A ============================
         B ============
         C             ==============
        `
    expect(found(picture, details)).toEqual(['sequential-calls: 120 unproven'])
    // Writes keep their order.
    const post = () => call({ name: 'POST', attributes: { 'http.request.method': 'POST' } })
    expect(found(picture, { B: post(), C: post() })).toEqual([])
  })

  it('calls in a row: from ten of one call to a peer on it is a chatty one, from five of a query on N+1', () => {
    const row = (count: number, one: (i: number) => Details) => {
      const names = 'BCDEFGHIJKLM'.slice(0, count).split('')
      const lines = names.map((name, i) => `${name} ${' '.repeat(10 * i)}${'='.repeat(10)}`)
      const details = Object.fromEntries(names.map((name, i) => [name, one(i)]))
      return found([`A ${'='.repeat(10 * count)}`, ...lines].join('\n'), details)
    }
    const page = (i: number) => call({ attributes: { 'url.full': `https://api.example/${i}` } })
    expect(row(4, page)).toEqual(['sequential-calls: 300 unproven'])
    expect(row(6, page)).toEqual(['sequential-calls: 500 unproven'])
    expect(row(9, page)).toEqual(['sequential-calls: 800 unproven'])
    expect(row(10, page)).toEqual(['chatty-service: 900'])
    const host = (i: number) => call({ attributes: { 'server.address': `${i}.example` } })
    expect(row(6, host)).toEqual(['sequential-calls: 500 unproven'])
    expect(row(6, () => item())).toEqual(['n-plus-one: 500'])
  })

  it('retries: failed attempts and the waits after them', () => {
    const details = {
      B: call({ error: true }),
      C: call({ error: true }),
      D: call(),
    }
    expect(
      found(
        `
        A ============
         B ==
         C    ==
         D        ==
        `,
        details,
      ),
    ).toEqual(['retries: 70'])
    // Again without a failure is no retry.
    expect(found('A ============\nB  ==\nC    ==', { B: call(), C: call() })).toEqual([])
  })

  it('retries: by the count a call carries, also where earlier attempts have no spans or never arrived', () => {
    const http = (status: number | string, more: Record<string, unknown> = {}) =>
      call({
        error: status !== 200,
        attributes: {
          'url.full': 'https://api.example/a',
          ...(typeof status === 'string'
            ? { 'error.type': status }
            : { 'http.response.status_code': status }),
          ...more,
        },
      })
    expect(found('A ======\nB  ====', { B: http(200, { 'http.request.resend_count': 3 }) })).toEqual([
      'retries: 0',
    ])
    // Refused, so there is no callee; the next attempt has one.
    const refused = {
      B: http('ECONNREFUSED'),
      C: http(200, { 'http.request.resend_count': 1 }),
      D: { kind: 'SERVER', service: 'stock', name: 'GET /a', parent: 'C' },
    }
    const picture = 'A ==========\nB  ==\nC      ====\nD      ===='
    expect(found(picture, refused)).toEqual(['retries: 40'])
    const { 'http.request.resend_count': _, ...uncounted } = refused.C.attributes!
    expect(found(picture, { ...refused, C: { ...refused.C, attributes: uncounted } })).toEqual([
      'retries: 40',
    ])
    // Redirected once, and no more.
    const redirected = {
      B: http(302, { 'url.full': 'https://api.example/old' }),
      C: http(200, { 'http.request.resend_count': 1 }),
    }
    redirected.B.error = false
    expect(found('A ==========\nB  ==\nC      ====', redirected)).toEqual([])
    expect(
      found('A ==========\nB  ==\nC      ====', {
        ...redirected,
        C: http(200, { 'http.request.resend_count': 2 }),
      }),
    ).toEqual(['retries: 0'])
  })

  it('retries: not other calls, nor after a failure that the same call would meet again', () => {
    const three = 'A ============\nB  ==\nC     ==\nD        =='
    const each = (attributes: (i: number) => Record<string, unknown>, one = call) => {
      const names = ['B', 'C', 'D']
      const details = names.map((name, i) => [name, one({ error: true, attributes: attributes(i) })])
      return found(three, Object.fromEntries(details)).filter((f) => f.startsWith('retries'))
    }
    const url = (i: number) => ({ 'url.full': `https://api.example/${i}` })
    const status = (code: number) => ({ 'http.response.status_code': code })
    // The last of three; what failed before it is gone.
    const again = ['retries: 60']
    expect(each((i) => ({ ...url(i), ...status(404) }))).toEqual([])
    expect(each((i) => ({ ...url(i), ...status(503) }))).toEqual([])
    expect(each(() => ({ ...url(0), ...status(404) }))).toEqual([])
    expect(each(() => ({ ...url(0), ...status(503) }))).toEqual(again)
    for (const code of [400, 401, 403, 404, 409, 422]) expect(each(() => status(code))).toEqual([])
    for (const code of [408, 429, 500, 503]) expect(each(() => status(code))).toEqual(again)
    expect(each(() => ({ 'http.status_code': 404, 'http.method': 'GET' }))).toEqual([])
    expect(each(() => ({ 'rpc.grpc.status_code': 5 }))).toEqual([])
    expect(each(() => ({ 'rpc.grpc.status_code': 14 }))).toEqual(again)
    for (const type of ['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT'])
      expect(each(() => ({ 'error.type': type })).slice(0, 1)).toEqual(again)
    for (const type of ['NotFoundError', 'UniqueViolation', '404'])
      expect(each(() => ({ 'error.type': type }))).toEqual([])
    const insert = (more: Partial<Details> = {}) => query('INSERT INTO a VALUES ($1)', more)
    expect(each(() => ({ 'error.type': '23505' }), insert)).toEqual([])
    expect(each(() => ({ 'error.type': '40001' }), insert)).toEqual(again)
    const values = (i: number) => ({ 'error.type': '40001', 'db.query.parameter.0': `${i}` })
    expect(each(values, insert)).toEqual([])
  })

  it('a failure is its deepest span', () => {
    const details = {
      A: { ...root, error: true },
      B: call({ error: true }),
      C: { kind: 'SERVER', service: 'stock', name: 'GET /stock', parent: 'B', error: true },
      D: query('SELECT x FROM y', { service: 'stock', parent: 'C', error: true }),
    }
    expect(
      found(
        `
        A ==========
         B ========
          C ======
           D =====
        `,
        details,
      ),
    ).toEqual(['failure-cascade: 50'])
    expect(found('A ==========\nB  ========', { B: call({ error: true }) })).toEqual([])
  })

  it('a failure that somebody makes up for is one of those below', () => {
    const failing = (stock: boolean) => ({
      B: call({ error: true }),
      C: { kind: 'SERVER', service: 'orders', name: 'GET /orders', parent: 'B', error: true },
      D: call({ service: 'orders', parent: 'C', error: true }),
      E: { kind: 'SERVER', service: 'stock', name: 'GET /stock', parent: 'D', error: stock },
    })
    const picture = 'A ==========\nB  ========\nC  ========\nD  ========\nE  ========'
    const cascades = (details: Record<string, Details>) =>
      found(picture, details).filter((f) => f.startsWith('failure'))
    expect(cascades(failing(true))).toEqual(['failure-cascade: 80'])
    // Orders fails by itself; that its caller's call failed is no failure of the caller.
    expect(cascades({ ...failing(false), D: call({ service: 'orders', parent: 'C' }) })).toEqual([])
  })

  it('a large payload is of the call whose callee says so, and of a message', () => {
    const size = (bytes: number) => ({ 'http.response.body.size': bytes })
    const answer = (bytes: number, more: Partial<Details> = {}) => ({
      B: call(more),
      C: { kind: 'SERVER', service: 'files', name: 'GET /f', parent: 'B', attributes: size(bytes) },
    })
    const picture = 'A ==================\nB  ================\nC  ============='
    const large = (details: Record<string, Details>, of = picture) =>
      found(of, details).filter((f) => f.startsWith('large'))
    expect(large(answer(900_000))).toEqual(['large-payload: 20'])
    expect(large(answer(200_000))).toEqual([])
    // Said twice, counted once.
    expect(large(answer(900_000, { attributes: size(900_000) }))).toEqual(['large-payload: 20'])
    const message = (bytes: number): Details => ({
      kind: 'PRODUCER',
      name: 'send',
      parent: 'A',
      attributes: { 'messaging.system': 'kafka', 'messaging.message.body.size': bytes },
    })
    expect(large({ B: message(900_000) }, 'A ==================\nB  ================')).toEqual([
      'large-payload: 107',
    ])
    expect(large({ B: message(200_000) }, 'A ==================\nB  ================')).toEqual([])
  })
})

describe('what is not worth a line', () => {
  it('work that comes after an answer already', () => {
    const mail = call({
      name: 'POST',
      attributes: { 'http.request.method': 'POST', 'server.address': 'smtp.example' },
    })
    const of = (kind: string) => found('A ======\nB  ====', { A: { ...root, kind }, B: { ...mail } })
    expect(of('SERVER')).toContain('trailing-work: 40')
    expect(of('CONSUMER')).toEqual([])
    expect(of('INTERNAL')).toEqual([])
  })

  it('a chain of services without time between them', () => {
    const serve = (service: string, parent: string): Details => ({
      kind: 'SERVER',
      service,
      name: 'GET',
      parent,
    })
    const send = (service: string, parent: string) => call({ service, parent })
    const names = 'ABCDEFGHIJKLM'.split('')
    const details = Object.fromEntries(
      names.slice(1).map((name, i) => {
        const service = i < 2 ? 'shop' : `s${Math.floor(i / 2)}`
        return [name, i % 2 === 0 ? send(service, names[i]!) : serve(`s${Math.floor(i / 2) + 1}`, names[i]!)]
      }),
    )
    const chain = (inset: number) =>
      names.map((name, i) => `${name} ${' '.repeat(inset * i)}${'='.repeat(60 - 2 * inset * i)}`)
    expect(found(chain(0).join('\n'), details).filter((f) => f.startsWith('chatty'))).toEqual([])
    expect(found(chain(1).join('\n'), details).filter((f) => f.startsWith('chatty'))).toEqual([
      'chatty-service: 120',
    ])
  })

  it.each(['SERVER', 'INTERNAL', 'CONSUMER'])(
    'five hops are a chain under a root that is %s, four are none',
    (kind) => {
      const hops = (count: number) => {
        const names = 'ABCDEFGHIJK'.slice(0, 2 * count + 1).split('')
        const details = Object.fromEntries(
          names.map((name, i): [string, Details] => {
            if (i === 0) return [name, { ...root, kind }]
            const service = `s${Math.floor(i / 2)}`
            const parent = names[i - 1]!
            return [
              name,
              i % 2 === 1 ? call({ service, parent }) : { kind: 'SERVER', service, name: 'GET', parent },
            ]
          }),
        )
        const lines = names.map((name, i) => `${name} ${' '.repeat(i)}${'='.repeat(60 - 2 * i)}`)
        return found(lines.join('\n'), details).filter((f) => f.startsWith('chatty'))
      }
      expect([hops(4), hops(5)]).toEqual([[], ['chatty-service: 100']])
    },
  )

  it('own work beside which something else takes as long', () => {
    // B and C run beside each other; C ends a column later, so the path is its.
    const details = {
      B: call({ service: 'shop' }),
      C: { name: 'compute', parent: 'A', service: 'shop' },
    }
    const columns = (b: string, c: string) =>
      findingsIn(
        draw(`A  ${'='.repeat(22)}\nB  ${b}\nC  ${c}`, { A: root, ...details }, { columnNs: 10_000_000n }),
      )
    const [masked] = columns('='.repeat(20), '='.repeat(21)).filter(({ pattern }) => pattern === 'own-work')
    expect(masked!.advice).toContain('what runs beside it takes over: 20 ms are won without it')
    const [alone] = columns('=', '='.repeat(21)).filter(({ pattern }) => pattern === 'own-work')
    expect(alone!.advice).toContain('profile it')
  })
})

describe('cold starts', () => {
  /** Cold starts of a length in 6 of 300 requests, and a query of 450 ms in 6 others. */
  const cold = (coldMs: number) => {
    const plant: Plant = {
      pattern: 'cold-start',
      name: 'cold',
      body(b) {
        const isCold = b.request % 50 === 7
        if (isCold) b.describe({ 'faas.coldstart': true })
        b.work(isCold ? coldMs : 5)
        if (b.request % 50 === 8) b.query('SELECT sum(x) FROM sales', 450)
      },
    }
    return findingsIn(plantTraffic(9, [plant]).columns).filter(
      ({ pattern, scope }) => pattern === 'cold-start' && scope === 'trace',
    )
  }

  it('count where they are among the slowest hundredth, also if others take as long', () => {
    const [one] = cold(455)
    expect([one!.samples, one!.saved.p99Ns < 10e6]).toEqual([6, true])
    expect(cold(900)[0]!.saved.p99Ns).toBeGreaterThan(400e6)
  })

  it('do not where the slowest hundredth are others', () => {
    expect(cold(200)).toEqual([])
  })
})

describe('shared database', () => {
  const redis = (address: Record<string, string | number>) => ({
    'db.system.name': 'redis',
    'db.namespace': '0',
    'db.query.text': 'GET ?',
    ...address,
  })
  /** The shop and stock each ask a `redis/0`. */
  const sharing = (one: Record<string, string | number>, other: Record<string, string | number>) => {
    const details = {
      B: query('GET ?', { attributes: redis(one) }),
      C: call(),
      D: { kind: 'SERVER', service: 'stock', name: 'GET /stock', parent: 'C' },
      E: query('GET ?', { service: 'stock', parent: 'D', attributes: redis(other) }),
    }
    const picture = 'A =========\nB  ==\nC    ====\nD    ====\nE     =='
    const all: Record<string, Details> = { A: root, ...details }
    for (const about of Object.values(all)) about.service ??= 'shop'
    return findingsIn(draw(picture, all, { columnNs: 10_000_000n }))
      .filter(({ pattern }) => pattern === 'shared-database')
      .map(({ scope, code }) => `${scope}: ${code.operation}`)
  }
  const both = ['service: shop, stock', 'trace: shop, stock']

  it('is a namespace that several services ask at one address, or at none that is known', () => {
    expect(sharing({}, {}).sort()).toEqual(both)
    expect(sharing({ 'server.address': 'r1' }, { 'net.peer.name': 'r1' }).sort()).toEqual(both)
    expect(
      sharing({ 'server.address': 'r1', 'server.port': 6379 }, { 'server.address': 'r1' }).sort(),
    ).toEqual(both)
  })

  it('is not one namespace of two servers', () => {
    expect(sharing({ 'server.address': 'r1' }, { 'server.address': 'r2' })).toEqual([])
    expect(sharing({ 'net.peer.name': 'r1' }, { 'net.peer.name': 'r2' })).toEqual([])
    const port = (n: number) => ({ 'server.address': 'r1', 'server.port': n })
    expect(sharing(port(6379), port(6380))).toEqual([])
  })

  it('is found in all requests that ask it, however many there are', () => {
    const plants: Plant[] = [
      {
        pattern: 'shared-database',
        name: 'legacy',
        body(b) {
          b.query('SELECT a FROM mine', 5)
          b.call('legacy', '/old', (i) => i.query('SELECT a FROM old', b.between(8, 12)))
        },
      },
    ]
    const [one] = findingsIn(plantTraffic(3, plants, 700).columns).filter(
      ({ pattern, scope }) => pattern === 'shared-database' && scope === 'trace',
    )
    expect([one!.entries, one!.samples]).toEqual([700, 700])
  })
})

describe('older semantic conventions', () => {
  const old = (i: number, host: string): Details => ({
    kind: 'CLIENT',
    name: 'HTTP GET',
    parent: 'A',
    attributes: {
      'http.method': 'GET',
      'http.url': `http://${host}/${i}`,
      'net.peer.name': host,
      'http.status_code': 200,
    },
  })
  const row = (one: (i: number) => Details, count = 12) => {
    const names = 'BCDEFGHIJKLM'.slice(0, count).split('')
    const lines = names.map((name, i) => `${name} ${' '.repeat(i)}=`)
    const details = Object.fromEntries(names.map((name, i) => [name, one(i)]))
    return found([`A ${'='.repeat(count)}`, ...lines].join('\n'), details)
  }

  it('a chatty peer is one by its address, not by the name of its calls', () => {
    expect(row((i) => old(i, 'api.example'))).toContain('chatty-service: 110')
    expect(row((i) => old(i, `h${i}.example`)).filter((f) => f.startsWith('chatty'))).toEqual([])
    const byUrl = (i: number, host: string): Details => {
      const { 'net.peer.name': _, ...attributes } = old(i, host).attributes!
      return { ...old(i, host), attributes }
    }
    expect(row((i) => byUrl(i, 'api.example'))).toContain('chatty-service: 110')
    expect(row((i) => byUrl(i, `h${i}.example`)).filter((f) => f.startsWith('chatty'))).toEqual([])
  })

  it('statuses, attempts, sizes and parameters', () => {
    const failed = (status: number): Details => {
      const one = old(1, 'api.example')
      return { ...one, error: true, attributes: { ...one.attributes, 'http.status_code': status } }
    }
    const twice = 'A ==========\nB  ===\nC      ===='
    expect(found(twice, { B: failed(503), C: old(1, 'api.example') })).toEqual(['retries: 40'])
    expect(found(twice, { B: failed(429), C: old(2, 'api.example') })).toEqual(['throttling: 30'])
    const large = { ...old(1, 'api.example') }
    large.attributes = { ...large.attributes, 'http.response_content_length': 900_000 }
    expect(found('A ==============\nB  =============', { B: large })).toEqual(['large-payload: 87'])
  })
})

describe('sampled traffic', () => {
  const slowOfFour: Plant = {
    pattern: 'slow-query',
    name: 'report of some',
    body: (b) => b.query('SELECT sum(x) FROM sales', b.request % 4 === 0 ? 600 : 5),
  }
  /** Requests by what each stands for: the slow ones, and the others. */
  const findings = (slow: number, others: number) => {
    const { columns } = plantTraffic(20261126, [slowOfFour], 200)
    for (let row = 0; row < columns.count; row++) {
      const request = Number((BigInt(`0x${traceIdHex(columns, row)}`) - 1n) % 1_000_000n)
      columns.weight[row] = request % 4 === 0 ? slow : others
    }
    return findingsIn(columns).filter(({ pattern, scope }) => pattern === 'slow-query' && scope === 'trace')
  }
  const savedMs = (found: ReturnType<typeof findings>) =>
    found.map(({ entries, samples, saved }) => [
      entries,
      samples,
      ...[saved.p50Ns, saved.p95Ns].map((ns) => Math.round(ns / 1e8) * 100),
    ])

  it('counts for what it stands for', () => {
    expect(savedMs(findings(1, 1))).toEqual([[200, 50, 0, 600]])
    // Most requests are slow ones.
    expect(savedMs(findings(10, 1))).toEqual([[200, 50, 600, 600]])
    // 50 of 1550 and of 15,050 requests.
    expect(savedMs(findings(1, 10))).toEqual([[200, 50, 0, 0]])
    expect(findings(1, 100)).toEqual([])
  })
})

describe('advice', () => {
  it('names a query by its span where nothing of its text says what it is', () => {
    const attributes = { 'db.system.name': 'opensearch' }
    const search = () => query('{"query":{"term":{"id":1}}}', { name: 'search', attributes })
    const details = { B: search(), C: search(), D: search() }
    const columns = draw(
      'A =========\nB  ==\nC    ==\nD      ==',
      { A: root, ...details },
      { columnNs: 10_000_000n },
    )
    const [finding] = findingsIn(columns)
    expect([finding!.pattern, finding!.code.operation]).toEqual(['repeated-query', 'search'])
  })

  it("names the code's own operations", () => {
    const item = () => query('SELECT * FROM item WHERE id = $1', { service: 'shop' })
    const columns = draw(
      'A ============\nB  ==\nC    ==\nD      ==\nE        ==\nF          ==',
      { A: root, B: item(), C: item(), D: item(), E: item(), F: item() },
      { columnNs: 10_000_000n },
    )
    const [finding] = findingsIn(columns)
    expect(finding).toMatchObject({
      pattern: 'n-plus-one',
      component: { kind: 'database', name: 'postgresql/shop' },
      code: { service: 'shop', caller: 'GET /orders', operation: 'SELECT * FROM item WHERE id = ?' },
      entries: 1,
      samples: 1,
      amount: 5,
      exemplars: ['00000000000000000000000000000001'],
    })
    expect(finding!.advice).toContain(
      'shop GET /orders runs SELECT * FROM item WHERE id = ? 5 times a request (100 ms together)',
    )
  })

  it('thresholds are settings', () => {
    const item = () => query('SELECT * FROM item WHERE id = $1', { service: 'shop' })
    const columns = draw(
      'A ======\nB  ==\nC    ==',
      { A: root, B: item(), C: item() },
      { columnNs: 10_000_000n },
    )
    expect(findingsIn(columns)).toEqual([])
    expect(findingsIn(columns, { 'n-plus-one.calls': 2, 'n-plus-one.togetherMs': 10 })).toHaveLength(1)
  })
})

describe('a service on every path', () => {
  const auth = (b: Body) => b.call('auth', '/check', (i) => i.work(b.between(5, 8)))
  const plants = (last: (b: Body) => void): Plant[] =>
    [auth, auth, last].map((body, i) => ({ pattern: '', name: `endpoint ${i}`, body }))
  const everywhere = (last: (b: Body) => void) =>
    findingsIn(plantTraffic(5, plants(last), 60).columns).filter(({ pattern }) => pattern === 'everywhere')

  it('is one that all requests of several endpoints wait for', () => {
    const found = everywhere(auth)
    expect(found.map(({ component, samples }) => [component.name, samples])).toEqual([
      ['auth', 60],
      ['auth', 60],
      ['auth', 60],
    ])
    expect(found[0]!.saved.p95Ns).toBeGreaterThan(5e6)
  })

  it('is none that one endpoint does without', () => {
    expect(everywhere((b) => b.work(5))).toEqual([])
  })
})
