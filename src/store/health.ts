import type { Logger } from 'pino'
import type { Store } from './store.ts'

const CHECK_MS = 2000
/** Merges and the next inserts need this much. */
const MIN_FREE_BYTES = 64 * 1024 * 1024

/** Errors about parts that are kept: the last so many. */
const MOST_SAID = 100

export type StoreWatch = {
  /** Why the store must not be trusted with more: its disk is full, or parts are broken. As of the last check. */
  damage(): string | undefined
  /** An error that names a part by its path: as long as the part is there, it counts as broken. */
  noteError(error: string): void
  /** Parts by these paths are gone: what was said of them is of no other that comes by them. */
  forget(paths: readonly string[]): void
  stop(): void
}

/** Looks for damage, once before it returns and every two seconds from then on. A store that is away is not damaged. */
export async function watchStore(store: Store, log: Logger): Promise<StoreWatch> {
  let damage: string | undefined
  let said: string[] = []
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const check = async () => {
    try {
      const rows = await store.query<{ problem: string }>('problems', { minFreeBytes: MIN_FREE_BYTES, said })
      const found = rows.length === 0 ? undefined : rows.map(({ problem }) => problem).join('; ')
      if (found !== undefined && found !== damage) log.error({ damage: found }, 'the store is damaged')
      if (found === undefined && damage !== undefined) log.info('the store is whole again')
      damage = found
    } catch (error) {
      log.debug({ err: error }, 'the store could not be checked')
    }
    if (!stopped) timer = setTimeout(check, CHECK_MS)
  }
  await check()
  return {
    damage: () => damage,
    noteError(error) {
      said.push(error)
      if (said.length > MOST_SAID) said.shift()
    },
    forget(paths) {
      said = said.filter((error) => !paths.some((path) => error.includes(path)))
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
