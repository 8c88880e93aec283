/** Work that is done in the order in which it was given, one at a time, while whoever gives it goes on. */
export type InOrder = {
  /** Waits while as much is under way as may be. @throws what failed before; what was given after that is not done */
  give(work: () => Promise<void>): Promise<void>
  /** Waits until all is done. @throws what failed */
  done(): Promise<void>
}

/** `most`: given and not done yet. */
export function createInOrder(most: number): InOrder {
  const underWay: Promise<void>[] = []
  return {
    async give(work) {
      if (underWay.length === most) await underWay.shift()
      const last = underWay.at(-1) ?? Promise.resolve()
      const next = last.then(work)
      // Said by whoever waits for it.
      next.catch(() => {})
      underWay.push(next)
    },
    async done() {
      await underWay.at(-1)
    },
  }
}
