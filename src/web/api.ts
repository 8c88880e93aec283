import type { z } from '@hono/zod-openapi'
import type * as schemas from '../api/schemas.ts'
import type { WhatIf as whatIf } from '../api/what-if-schemas.ts'

export type Bottleneck = z.infer<typeof schemas.Bottleneck>
export type BottleneckComponent = z.infer<typeof schemas.BottleneckComponent>
export type Component = z.infer<typeof schemas.Component>
export type Endpoint = z.infer<typeof schemas.Endpoint>
export type Finding = z.infer<typeof schemas.Finding>
export type Trace = z.infer<typeof schemas.Trace>
export type WhatIf = z.infer<typeof whatIf>
export type TimelinePoint = {
  from: string
  entries: number
  ratePerSecond: number
  observed: { p50Ns: number; p95Ns: number; p99Ns: number; meanNs: number }
  leader: (Component & { p95Ns: number }) | null
}
export type Frame = { name: string; totalNs: number; children: Frame[] }

/** An answer that is no success; 401: a token is needed, or another one. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const TOKEN = 'longpole-token'

/** Kept until the tab is closed. */
export function keepToken(token: string): void {
  sessionStorage.setItem(TOKEN, token)
}

export type Query = Readonly<Record<string, string | number | undefined>>

/** GET, or POST where there is a body. @throws Refused with what the API says */
export async function ask<T>(route: string, query: Query = {}, body?: unknown): Promise<T> {
  const parameters = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const search = new URLSearchParams(parameters.map(([name, value]) => [name, String(value)]))
  const token = sessionStorage.getItem(TOKEN)
  const response = await fetch(`api/v1/${route}?${search}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const answer = await response.json().catch(() => undefined)
  if (!response.ok) throw new Refused(response.status, answer?.error?.message ?? response.statusText)
  return answer as T
}
