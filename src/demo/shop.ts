import type { Step, Work } from './program.ts'

const about = (medianMs: number, spread = 0.25): Work => ({ medianMs, spread })
const work = (medianMs: number, spread?: number): Step => ({ do: 'work', work: about(medianMs, spread) })
const query = (name: string, namespace: string, medianMs: number, spread?: number): Step => ({
  do: 'query',
  name,
  system: 'postgresql',
  namespace,
  work: about(medianMs, spread),
})
const call = (
  service: string,
  method: string,
  route: string,
  steps: Step[],
  retry: { failShare?: number; tries?: number } = {},
): Step => ({
  do: 'call',
  service,
  method,
  route,
  transit: about(0.6, 0.4),
  steps,
  ...retry,
})

export type ShopEndpoint = {
  method: string
  route: string
  /** Share of the requests. */
  weight: number
  steps: Step[]
}

/** Every request comes in here. */
export const GATEWAY = 'gateway'

/** How much slower than the first each instance is. */
export const INSTANCES: Readonly<Record<string, readonly number[]>> = {
  gateway: [1, 1],
  inventory: [1, 1, 5],
  orders: [1, 1],
}

/** A shop of eight services. What is planted in it is said in answer-key.ts. */
export const ENDPOINTS: readonly ShopEndpoint[] = [
  {
    method: 'GET',
    route: '/catalog/{sku}',
    weight: 6,
    steps: [
      work(2),
      call('catalog', 'GET', '/items/{sku}', [
        work(4),
        query('SELECT items', 'catalog', 6),
        { do: 'internal', name: 'price', steps: [work(3)] },
        query('SELECT reviews', 'catalog', 240, 0.5),
        work(6),
      ]),
      work(3),
    ],
  },
  {
    method: 'POST',
    route: '/checkout',
    weight: 4,
    steps: [
      work(3),
      call('orders', 'POST', '/orders', [
        work(8),
        query('INSERT orders', 'orders', 9),
        call('payments', 'POST', '/charges', [
          work(5),
          { do: 'external', name: 'POST', host: 'api.bank.example', work: about(420, 0.45) },
          work(4),
        ]),
        query('UPDATE orders', 'orders', 7),
      ]),
      work(3),
    ],
  },
  {
    method: 'GET',
    route: '/home',
    weight: 5,
    steps: [
      work(6),
      {
        do: 'parallel',
        branches: [
          [call('recommendations', 'GET', '/recommendations', [work(208, 0.05)])],
          [call('adverts', 'GET', '/adverts', [work(196, 0.05)])],
        ],
      },
      work(8),
    ],
  },
  {
    method: 'GET',
    route: '/reports/daily',
    weight: 2,
    steps: [
      work(2),
      call('reports', 'GET', '/daily', [
        query('SELECT sales', 'reports', 35),
        work(380, 0.4),
        query('SELECT returns', 'reports', 25),
      ]),
      work(2),
    ],
  },
  {
    method: 'GET',
    route: '/orders/{id}/items',
    weight: 3,
    steps: [
      work(2),
      call('orders', 'GET', '/orders/{id}/items', [
        query('SELECT order', 'orders', 5),
        { do: 'repeat', least: 5, most: 25, steps: [query('SELECT item', 'orders', 6), work(0.4)] },
        work(4),
      ]),
      work(2),
    ],
  },
  {
    method: 'POST',
    route: '/cart',
    weight: 3,
    steps: [
      work(2),
      call('pricing', 'POST', '/quotes', [work(45, 0.3)], { failShare: 0.35, tries: 4 }),
      work(3),
    ],
  },
  {
    method: 'POST',
    route: '/newsletter',
    weight: 2,
    steps: [
      work(3),
      {
        do: 'publish',
        system: 'kafka',
        destination: 'newsletter',
        work: about(4),
        consumer: 'mailer',
        steps: [
          work(15),
          { do: 'external', name: 'POST', host: 'smtp.mail.example', work: about(9_000, 0.2) },
        ],
      },
      work(2),
    ],
  },
  {
    method: 'GET',
    route: '/stock/{sku}',
    weight: 3,
    steps: [
      work(2),
      call('inventory', 'GET', '/stock/{sku}', [work(40, 0.2), query('SELECT stock', 'stock', 5)]),
      work(2),
    ],
  },
]
