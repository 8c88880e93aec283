import { seeded } from './random.ts'

/**
 * CPU time (ms, of the whole process: garbage collection and compilation included) of each piece of work: the least of
 * some rounds, for other work on the machine only ever adds to it. All are run once a round, so what disturbs one
 * disturbs the others: their ratios hold better than the times. Each round has an order of its own: in one that repeats,
 * what is allocated repeats, and garbage of all may be collected at the same piece in every round.
 */
export function leastTimes<Name extends string>(
  work: Readonly<Record<Name, () => unknown>>,
  rounds: number,
): Record<Name, number> {
  const names = Object.keys(work) as Name[]
  const least = Object.fromEntries(names.map((name) => [name, Number.POSITIVE_INFINITY])) as Record<
    Name,
    number
  >
  const random = seeded(1)
  for (let round = 0; round < rounds; round++) {
    for (const name of shuffled(names, random)) least[name] = Math.min(least[name], cpuMsOf(work[name]))
  }
  return least
}

/** Fisher and Yates. */
function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const order = [...list]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/** CPU times (ms) of each piece of work, all run once a round; for what is compared round by round. */
export async function timesOf<Name extends string>(
  work: Readonly<Record<Name, () => unknown>>,
  rounds: number,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(work) as Name[]
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const before = process.cpuUsage()
      await work[name]()
      const { user, system } = process.cpuUsage(before)
      times[name].push((user + system) / 1000)
    }
  }
  return times
}

export function cpuMsOf(work: () => unknown): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
