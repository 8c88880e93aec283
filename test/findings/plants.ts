import type { Body, Plant } from './planted.ts'

const ms = 1e6
const usual = (b: Body) => {
  b.query('SELECT name FROM users WHERE id = $1', b.between(3, 9))
  b.work(b.between(1, 4))
}
const plant = (pattern: string, name: string, body: (b: Body) => void, more: Partial<Plant> = {}): Plant => ({
  pattern,
  name,
  body(b) {
    usual(b)
    body(b)
  },
  ...more,
})
/** The plant comes before anything else. */
const plantFirst: typeof plant = (pattern, name, body, more = {}) => ({
  pattern,
  name,
  body(b) {
    body(b)
    usual(b)
  },
  ...more,
})
const times = (count: number, run: (i: number) => void) => {
  for (let i = 0; i < Math.round(count); i++) run(i)
}
const BURSTS = { share: 0.25, size: 25 }

/** Waits until what all requests share is free, and holds it. */
function locked(b: Body, holdMs: number): void {
  const free = b.state.get('lock') ?? 0
  const waits = Math.max(0, free - b.now)
  b.query('UPDATE stock SET left = left - $1 WHERE sku = $2', waits / ms + holdMs)
  b.state.set('lock', b.now)
}

/** Waits for one of the instance's threads within the span, then works. */
function pooled(b: Body, threads: number, holdMs: number): void {
  const key = `pool ${b.self.instance}`
  const free = Array.from({ length: threads }, (_, i) => b.state.get(`${key} ${i}`) ?? 0)
  const first = free.indexOf(Math.min(...free))
  b.now = Math.max(b.now, free[first]!)
  b.query('SELECT total FROM orders WHERE id = $1', holdMs)
  b.state.set(`${key} ${first}`, b.now)
}

/** One after the other, of one host. */
function pages(b: Body, count: number, most = 120): void {
  times(count, (i) => {
    b.external('pages.example', b.between(0.8 * most, most), {
      'url.full': `https://pages.example/${b.request}/${i}`,
    })
  })
}

/** What the first twelve rows of the patterns' table are to find. */
export const PLANTS: readonly Plant[] = [
  plant('n-plus-one', 'items of an order', (b) =>
    times(b.between(8, 20), () => {
      b.query('SELECT * FROM item WHERE id = $1', b.between(6, 10))
      b.work(0.3)
    }),
  ),
  plant('n-plus-one', 'object graph', (b) =>
    times(b.between(6, 9), (i) => {
      b.query(`SELECT * FROM line WHERE id = ${i}`, b.between(2, 5))
      b.query(`SELECT * FROM price WHERE line = ${i}`, b.between(2, 5))
      b.query(`SELECT * FROM tax WHERE line = ${i}`, b.between(2, 5))
    }),
  ),
  plant('slow-query', 'report', (b) => b.query('SELECT sum(x) FROM sales', b.between(520, 900))),
  plant('slow-query', 'report of some', (b) =>
    b.query('SELECT sum(x) FROM sales', b.request % 5 === 0 ? b.between(600, 1500) : b.between(5, 20)),
  ),
  plant('lock-suspect', 'stock row', (b) => locked(b, b.between(6, 9)), { burst: BURSTS }),
  plant('repeated-query', 'settings', (b) =>
    times(b.between(3, 4), () => {
      b.query("SELECT value FROM settings WHERE name = 'theme'", b.between(5, 9))
      b.work(1)
    }),
  ),
  plant('repeated-query', 'same parameters', (b) =>
    times(b.between(3, 4), () => {
      b.query('SELECT value FROM settings WHERE name = $1', b.between(5, 9), {
        attributes: { 'db.query.parameter.0': 'theme' },
      })
      b.work(1)
    }),
  ),
  plant('repeated-query', 'same page', (b) =>
    times(b.between(3, 5), () => {
      b.external('cms.example', b.between(8, 20), { 'url.full': 'https://cms.example/page/5?a=b' })
    }),
  ),
  plant('sequential-calls', 'three services', (b) => {
    for (const name of ['prices', 'stock', 'reviews'])
      b.call(name, `/${name}`, (i) => i.work(b.between(70, 120)))
  }),
  plant('sequential-calls', 'query and call', (b) => {
    b.query('SELECT a FROM history WHERE user = $1', b.between(120, 200))
    b.work(2)
    b.external('geo.example', b.between(130, 210))
  }),
  plant('chatty-service', 'many small calls', (b) =>
    times(b.between(11, 18), () => b.call('tags', '/tags/{id}', (i) => i.work(b.between(1, 3)))),
  ),
  plant('chatty-service', 'relay', (b) => {
    const hop = (body: Body, left: number): void => {
      body.work(1)
      if (left > 0) body.call(`relay-${left}`, `/relay/${left}`, (inner) => hop(inner, left - 1))
      body.work(1)
    }
    hop(b, 6)
  }),
  plant('retries', 'flaky', (b) => {
    for (let attempt = 0; attempt < 4; attempt++) {
      const failed = b.random() < 0.4
      b.call(
        'quotes',
        '/quotes',
        (i) => {
          i.work(b.between(15, 30))
          if (failed) i.fail('service')
        },
        {
          method: 'POST',
          failed,
          attributes: {
            'http.response.status_code': failed ? 503 : 200,
            ...(attempt > 0 ? { 'http.request.resend_count': attempt } : {}),
          },
        },
      )
      if (!failed) break
      b.work(5)
    }
  }),
  plant('own-work', 'render', (b) => b.work(b.between(150, 320))),
  plantFirst('starved-start', 'few threads', (b) => pooled(b, 2, b.between(12, 18)), { burst: BURSTS }),
  plant(
    'slow-instance',
    'one old machine',
    (b) => b.work(b.self.instance === 'i3' ? b.between(64, 76) : b.between(18, 26)),
    { instances: [1, 1, 1] },
  ),
  plant(
    'slow-instance',
    'one that stalls now and then',
    (b) => b.work(b.self.instance === 'i3' && b.random() < 0.2 ? b.between(70, 90) : b.between(18, 26)),
    { instances: [1, 1, 1] },
  ),
  plant('uneven-load', 'sticky', (b) => b.work(b.between(8, 14)), { instances: [4, 1, 1, 1] }),
  plant('failure-cascade', 'broken table', (b) => {
    const fails = b.request % 12 === 0
    b.query('SELECT * FROM broken WHERE id = $1', b.between(5, 15), {
      failed: fails,
      attributes: fails ? { 'error.type': '42P01' } : {},
    })
    if (fails) b.fail('all')
  }),
  plant('timeouts', 'slow partner', (b) => {
    const slow = b.request % 10 === 0
    b.call('partner', '/offers', (i) => i.work(slow ? b.between(160, 240) : b.between(10, 30)), {
      ...(slow ? { leavesAfterMs: 90, failed: true } : {}),
    })
  }),
  plant('timeouts', 'deadline', (b) => {
    const slow = b.request % 10 === 0
    b.call('risk', '/score', (i) => i.work(slow ? 60 : b.between(5, 20)), {
      failed: slow,
      attributes: { 'rpc.grpc.status_code': slow ? 4 : 0 },
    })
  }),
  plant('large-payload', 'whole catalog', (b) =>
    b.external('catalog.example', b.between(120, 220), {
      'http.response.body.size': Math.round(b.between(600_000, 3_000_000)),
    }),
  ),
  plant('transit-share', 'far away', (b) =>
    b.call('overseas', '/far', (i) => i.work(b.between(25, 40)), { transitMs: b.between(15, 30) }),
  ),
  plant('cold-start', 'function', (b) => {
    const cold = b.request % 40 === 0
    if (cold) b.describe({ 'faas.coldstart': true })
    b.work(cold ? b.between(300, 600) : b.between(5, 10))
  }),
  plant('near-time-limit', 'batch', (b) => {
    b.describe({ 'faas.timeout': 1 })
    b.external('archive.example', b.between(905, 960))
  }),
]

/** What must not be found: each looks like one of the above, and stays below its thresholds. */
export const NEAR_MISSES: readonly Plant[] = [
  plant('', 'four items', (b) =>
    times(4, () => b.query('SELECT * FROM item WHERE id = $1', b.between(10, 14))),
  ),
  plant('', 'many quick items', (b) =>
    times(9, () => b.query('SELECT * FROM item WHERE id = $1', b.between(2, 4))),
  ),
  plant('', 'many different queries', (b) =>
    times(9, (i) => b.query(`SELECT c${'abcdefghi'[i]} FROM t${'abcdefghi'[i]}`, b.between(7, 10))),
  ),
  plant('', 'not so slow query', (b) => b.query('SELECT sum(x) FROM sales', b.between(300, 480))),
  plant(
    '',
    'slow by chance',
    (b) => b.query('SELECT x FROM y WHERE z = $1', b.random() < 0.03 ? b.between(200, 300) : b.between(5, 9)),
    { burst: BURSTS },
  ),
  plant('', 'twice the same', (b) =>
    times(2, () => b.query("SELECT value FROM settings WHERE name = 'a'", b.between(8, 12))),
  ),
  plant('', 'same text bound', (b) =>
    times(4, () => b.query('SELECT value FROM settings WHERE name = $1', b.between(8, 12))),
  ),
  plant('', 'same search without its values', (b) =>
    times(4, () => {
      const attributes = { 'db.system.name': 'elasticsearch' }
      b.query('{"query":{"term":{"sku":"?"}},"size":10}', b.between(8, 12), { attributes })
    }),
  ),
  plant('', 'same command without its arguments', (b) =>
    times(4, () => {
      b.query('HGET cart [1 other arguments]', b.between(8, 12), {
        attributes: { 'db.system.name': 'redis' },
      })
    }),
  ),
  plant('', 'same parameters without their values', (b) =>
    times(4, () => {
      b.query('SELECT value FROM settings WHERE name = $1', b.between(8, 12), {
        attributes: { 'db.query.parameter.0': '' },
      })
    }),
  ),
  plant('', 'different values', (b) =>
    times(4, (i) => b.query(`SELECT value FROM settings WHERE name = 'n${i}'`, b.between(8, 12))),
  ),
  plant('', 'two short calls', (b) => {
    for (const name of ['prices', 'stock']) b.call(name, `/${name}`, (i) => i.work(b.between(40, 80)))
  }),
  plant('', 'calls beside each other', (b) =>
    b.beside(
      () => b.call('prices', '/prices', (i) => i.work(b.between(60, 95))),
      () => b.call('stock', '/stock', (i) => i.work(b.between(60, 95))),
      () => b.call('reviews', '/reviews', (i) => i.work(b.between(60, 95))),
    ),
  ),
  plant('', 'writes in a row', (b) => {
    for (const name of ['charge', 'ship', 'book'])
      b.call(name, `/${name}`, (i) => i.work(b.between(60, 95)), { method: 'POST' })
  }),
  plant('', 'nine calls', (b) =>
    times(8, () => b.call('tags', '/tags/{id}', (i) => i.work(b.between(1, 3)))),
  ),
  plant('', 'three hops', (b) =>
    b.call('x1', '/x', (i) => i.call('x2', '/x', (j) => j.call('x3', '/x', (k) => k.work(3)))),
  ),
  plant('', 'seldom retried', (b) => {
    for (let attempt = 0; attempt < 3; attempt++) {
      const failed = b.random() < 0.1
      b.call(
        'quotes',
        '/quotes',
        (i) => {
          i.work(b.between(15, 30))
          if (failed) i.fail('service')
        },
        {
          method: 'POST',
          failed,
          attributes: { 'http.response.status_code': failed ? 503 : 200 },
        },
      )
      if (!failed) break
    }
  }),
  plant('', 'little own work', (b) => b.work(b.between(50, 85))),
  plant('', 'own work beside waiting', (b) => {
    b.work(b.between(105, 130))
    b.query('SELECT max(x) FROM sales', b.between(170, 250))
  }),
  plantFirst(
    '',
    'slow start always',
    (b) => {
      b.work(b.between(20, 60))
      b.query('SELECT total FROM orders WHERE id = $1', 5)
    },
    { burst: BURSTS },
  ),
  plantFirst('', 'enough threads', (b) => pooled(b, 100, b.between(12, 18)), { burst: BURSTS }),
  plant(
    '',
    'somewhat slower machine',
    (b) => b.work(b.self.instance === 'i3' ? b.between(26, 36) : b.between(18, 26)),
    { instances: [1, 1, 1] },
  ),
  plant(
    '',
    'all stall now and then',
    (b) => b.work(b.random() < 0.05 ? b.between(70, 90) : b.between(18, 26)),
    { instances: [1, 1, 1] },
  ),
  plant('', 'replaced by new ones', (b) => b.work(b.between(8, 14)), {
    instances: (request) => (request < 270 ? [1, 1, 0, 0] : [0, 0, 1, 1]),
  }),
  plant('', 'somewhat uneven', (b) => b.work(b.between(8, 14)), { instances: [1.2, 1, 1, 1] }),
  plant('', 'handled failure', (b) => {
    const fails = b.request % 12 === 0
    b.query('SELECT * FROM cache WHERE id = $1', b.between(5, 15), { failed: fails })
  }),
  plant('', 'failure of its own', (b) => {
    if (b.request % 12 === 0) b.fail('service')
  }),
  plant('', 'slow partner waited for', (b) =>
    b.call('partner', '/offers', (i) => i.work(b.request % 10 === 0 ? 90 : 20)),
  ),
  plant('', 'small payload', (b) =>
    b.external('catalog.example', b.between(120, 220), { 'http.response.body.size': 200_000 }),
  ),
  plant('', 'quick payload', (b) =>
    b.external('catalog.example', b.between(30, 80), { 'http.response.body.size': 900_000 }),
  ),
  plant('', 'nearby', (b) =>
    b.call('near', '/near', (i) => i.work(b.between(60, 90)), { transitMs: b.between(3, 7) }),
  ),
  plant('', 'hardly ever cold', (b) => {
    const cold = b.request === 150
    if (cold) b.describe({ 'faas.coldstart': true })
    b.work(cold ? 300 : b.between(5, 10))
  }),
  plant('', 'far from its limit', (b) => {
    b.describe({ 'faas.timeout': 1 })
    b.external('archive.example', b.between(500, 800))
  }),
  plant('', 'nothing at all', () => {}),
  plant('', 'nothing in bursts', (b) => b.query('SELECT 1', 3), { burst: BURSTS }),
]

/** The patterns beyond the first twelve rows. */
export const MORE_PLANTS: readonly Plant[] = [
  plant('long-transaction', 'call within', (b) => {
    b.query('BEGIN', 1)
    b.external('slow.example', b.between(1010, 1200))
    b.query('COMMIT', 2)
  }),
  plant('', 'short transaction', (b) => {
    b.query('BEGIN', 1)
    b.external('slow.example', b.between(100, 200))
    b.query('COMMIT', 2)
  }),
  plant('pool-wait', 'few connections', (b) => b.internal('pool.acquire', b.between(15, 40))),
  plant('', 'free connections', (b) => b.internal('pool.acquire', b.between(0.1, 2))),
  plant('', 'a business transaction', (b) => {
    b.external('bank.example', b.between(1010, 1200), { 'http.request.method': 'POST' }, 'POST /transaction')
    b.internal('process transaction', 2)
  }),
  plant('', 'a connection of another kind', (b) => b.internal('lines.GetConnection', b.between(15, 40))),
  plant('', 'the catalog', (b) =>
    b.external('catalog.example', b.between(40, 80), { 'http.request.method': 'PUT' }),
  ),
  plant('', 'many that are not there', (b) =>
    times(6, (i) =>
      b.external('users.example', b.between(3, 6), {
        'url.full': `https://users.example/${b.request}/${i}`,
        'http.response.status_code': 404,
      }),
    ),
  ),
  plant('large-result', 'whole table', (b) =>
    b.query('SELECT * FROM history', b.between(120, 260), {
      attributes: { 'db.response.returned_rows': Math.round(b.between(3000, 90_000)) },
    }),
  ),
  plant('', 'one page', (b) =>
    b.query('SELECT * FROM history', b.between(120, 260), {
      attributes: { 'db.response.returned_rows': 100 },
    }),
  ),
  plant('many-dependencies', 'everybody', (b) =>
    times(11, (i) => b.external(`host${i}.example`, b.between(3, 6))),
  ),
  plant('', 'some', (b) => times(6, (i) => b.external(`host${i}.example`, b.between(3, 6)))),
  plant('throttling', 'over the limit', (b) =>
    b.external('limited.example', b.between(20, 30), {
      'http.response.status_code': b.request % 20 === 0 ? 429 : 200,
    }),
  ),
  plant('', 'once over the limit', (b) =>
    b.external('limited.example', b.between(20, 30), {
      'http.response.status_code': b.request === 150 ? 429 : 200,
    }),
  ),
  plant('trailing-work', 'audit', (b) =>
    b.external('audit.example', b.between(40, 80), { 'http.request.method': 'POST' }),
  ),
  plantFirst('', 'audit first', (b) =>
    b.external('audit.example', b.between(40, 80), { 'http.request.method': 'POST' }),
  ),
  plant('shared-database', 'legacy', (b) =>
    b.call('legacy', '/old', (i) => i.query('SELECT a FROM old', b.between(8, 12))),
  ),
  plant('', 'a database of its own', (b) =>
    b.call('modern', '/new', (i) =>
      i.query('SELECT a FROM new', b.between(8, 12), { attributes: { 'db.namespace': 'modern' } }),
    ),
  ),
  plant('sync-cycle', 'there and back', (b) =>
    b.call('helper', '/help', (i) => i.call(b.self.service, '/details', (j) => j.work(b.between(3, 6)))),
  ),
  plant('', 'there and on', (b) =>
    b.call('helper', '/help', (i) => i.call('another', '/details', (j) => j.work(b.between(3, 6)))),
  ),
  plant(
    'concurrency-ceiling',
    'four workers',
    (b) => {
      const free = Array.from({ length: 4 }, (_, i) => b.state.get(`worker ${i}`) ?? 0)
      const first = free.indexOf(Math.min(...free))
      const waits = Math.max(0.4, (free[first]! - b.now) / ms)
      b.call('narrow', `/narrow/${b.self.service}`, (i) => i.work(20), { arrivesMs: waits, instances: [1] })
      b.state.set(`worker ${first}`, b.now)
    },
    { burst: BURSTS, also: ['transit-share'] },
  ),
  plant(
    '',
    'enough workers',
    (b) => b.call('wide', `/wide/${b.self.service}`, (i) => i.work(20), { instances: [1] }),
    { burst: BURSTS },
  ),
  plant('sequential-calls', 'six pages', (b) => pages(b, 6)),
  plant('chatty-service', 'twelve pages', (b) => pages(b, 12)),
  plant('', 'nine short pages', (b) => pages(b, 9, 11)),
]
