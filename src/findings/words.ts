/** Numbers as sentences have them. */
export function inTime(ns: number): string {
  const ms = ns / 1e6
  if (ms >= 1000) return `${Number((ms / 1000).toPrecision(3))} s`
  return ms >= 10 ? `${Math.round(ms)} ms` : `${Number(ms.toPrecision(2))} ms`
}

export function inPercent(share: number): string {
  return `${Math.round(100 * share)} %`
}

export function counted(count: number, thing: string): string {
  return `${Number(count.toPrecision(3)).toLocaleString('en')} ${thing}${count === 1 ? '' : 's'}`
}

export const MS = 1e6
