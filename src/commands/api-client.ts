import type { ExplainedBottleneck } from '../findings/findings.ts'
import { UsageError } from './usage.ts'

/** Rows a page. */
const PAGE = 200

/** All pages of `/api/v1/bottlenecks` of a running service. @throws Error that says how to reach one */
export async function readBottlenecks(from: {
  url: string
  token: string | undefined
  query: Record<string, string | undefined>
}): Promise<ExplainedBottleneck[]> {
  const bottlenecks: ExplainedBottleneck[] = []
  let offset: number | null = 0
  while (offset !== null) {
    const url = new URL('/api/v1/bottlenecks', from.url)
    for (const [name, value] of Object.entries({
      ...from.query,
      limit: String(PAGE),
      offset: String(offset),
    })) {
      if (value !== undefined) url.searchParams.set(name, value)
    }
    const page: { bottlenecks: ExplainedBottleneck[]; nextOffset: number | null } = await askApi(
      url,
      from.token,
    )
    bottlenecks.push(...page.bottlenecks)
    offset = page.nextOffset
  }
  return bottlenecks
}

/** What the API answers to a request. @throws Error that says how to reach one, or what the API says; UsageError where that is the question's fault */
export async function askApi<T>(
  url: URL,
  token: string | undefined,
  { method = 'GET', body }: { method?: 'GET' | 'PUT' | 'DELETE'; body?: unknown } = {},
): Promise<T> {
  let answer: Response
  try {
    answer = await fetch(url, {
      method,
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch (cause) {
    throw new Error(
      `no service answers at ${url.origin}; start one with \`npm start\`, or set LONGPOLE_API`,
      { cause },
    )
  }
  const json = (await answer.json().catch(() => undefined)) as { error?: { message: string } } | undefined
  const message = json?.error?.message ?? `${url.origin} answered ${answer.status}`
  // What was asked for makes no sense: the API knows what a time or a scope looks like.
  if (answer.status === 400) throw new UsageError(message)
  if (!answer.ok) throw new Error(message)
  return json as T
}
