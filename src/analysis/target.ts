/** What an endpoint should keep: `p95 < 500ms`. */
export type Target = {
  /** 'mean', or a percentile as 'p95'. */
  readonly statistic: string
  /** 0 to 1; undefined for the mean. */
  readonly quantile: number | undefined
  readonly limitNs: number
  /** `<=` rather than `<`. */
  readonly inclusive: boolean
}

const UNITS_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9 }

/** `p95<500ms`, `p99.9 <= 1.5s`, `mean < 20 us`. */
const TARGET = /^\s*(mean|p(\d{1,2}(?:\.\d+)?))\s*(<=?)\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m)\s*$/

/** @throws RangeError that says what a target looks like. */
export function parseTarget(text: string): Target {
  const match = TARGET.exec(text)
  const quantile = match?.[2] === undefined ? undefined : Number(match[2]) / 100
  const limitNs = match === null ? 0 : Number(match[4]) * UNITS_NS[match[5]!]!
  if (match === null || quantile === 0 || limitNs === 0) {
    throw new RangeError(
      `not a target: ${JSON.stringify(text)}; expected a percentile and a limit, as p95<500ms or mean<=1.5s`,
    )
  }
  return { statistic: match[1]!, quantile, limitNs, inclusive: match[3] === '<=' }
}

export function meetsTarget(valueNs: number, target: Target): boolean {
  return target.inclusive ? valueNs <= target.limitNs : valueNs < target.limitNs
}
