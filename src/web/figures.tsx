import { duration } from '../trace/figure-text.ts'
import type { BottleneckComponent, Component } from './api.ts'

export const PERCENTILES = ['p50', 'p95', 'p99', 'mean'] as const
export type Percentile = (typeof PERCENTILES)[number]

export function Label({ kind, name }: Component) {
  return (
    <span class="component">
      <span class={`kind ${kind}`}>{kind === 'network' ? 'transit' : kind}</span> {name}
    </span>
  )
}

export function Verdict({ of }: { of: BottleneckComponent['verdict'] | null }) {
  return of === null ? null : <span class={`verdict ${of.replaceAll(' ', '-')}`}>{of.replace('-', ' ')}</span>
}

type BarProps = {
  /** The whole width. */
  nowNs: number
  withoutNs: number
  interval: readonly [number, number] | null | undefined
}

/** Latency now, what would be left of it, and how sure that is. */
export function Bar({ nowNs, withoutNs, interval }: BarProps) {
  const share = (ns: number) => `${Math.min(100, (100 * ns) / (nowNs || 1)).toFixed(2)}%`
  const sure = interval ? `, 95 %: ${duration(interval[0])} to ${duration(interval[1])}` : ''
  return (
    <svg class="bar" role="img" aria-label={`${duration(nowNs)} now, ${duration(withoutNs)} without`}>
      <title>{`${duration(nowNs)} now, ${duration(withoutNs)} without${sure}`}</title>
      <rect class="now" width="100%" height="100%" />
      <rect class="left" width={share(withoutNs)} height="100%" />
      {interval && <line class="sure" x1={share(interval[0])} x2={share(interval[1])} y1="50%" y2="50%" />}
    </svg>
  )
}
