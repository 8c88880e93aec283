import { createPairTable } from './pair-table.ts'

/** Rows of services as text (`a > b > c`), each made once: they are built from their end, and most come again. */
export type Chains = {
  /** The chain with one more service in front; `-1`: none yet. */
  before(chain: number, service: number): number
  textOf(chain: number): string
}

export function createChains(services: readonly string[]): Chains {
  const table = createPairTable()
  const texts: string[] = []
  return {
    before(chain, service) {
      let number = table.get(chain + 1, service)
      if (number < 0) {
        const name = services[service]!
        number = texts.push(chain < 0 ? name : `${name} > ${texts[chain]}`) - 1
        table.set(chain + 1, service, number)
      }
      return number
    },
    textOf: (chain) => texts[chain]!,
  }
}
