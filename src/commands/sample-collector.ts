import { closeSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'
import type { SampleGroup } from '../analysis/bottlenecks.ts'
import { joinGroups } from '../analysis/join-groups.ts'
import { openNameless, readFully, writeFully } from '../formats/nameless-file.ts'

/**
 * Puts the samples of several batches together, endpoint by endpoint. Some 25 bytes a span: those of all batches but the
 * last lie in a temporary file.
 */
export type SampleCollector = {
  add(groups: readonly SampleGroup[]): void
  /** One endpoint at a time is in memory, if it is let go. */
  groups(): Iterable<SampleGroup>
  /** Lets go of the temporary file. */
  close(): void
}

/** Samples of an endpoint in the file. */
type Spilled = { offset: number; length: number }

export function createSampleCollector(): SampleCollector {
  const spilled = new Map<string, Spilled[]>()
  let last: readonly SampleGroup[] = []
  let file: number | undefined
  let size = 0

  return {
    add(groups) {
      for (const group of last) spill(group)
      last = groups
    },
    *groups() {
      const held = new Map(last.map((group) => [keyOf(group), group]))
      for (const key of new Set([...spilled.keys(), ...held.keys()])) {
        const parts = (spilled.get(key) ?? []).map(read)
        const own = held.get(key)
        if (own !== undefined) parts.push(own)
        yield parts.length === 1 ? parts[0]! : joinGroups(parts)
      }
    },
    close() {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }

  function spill(group: SampleGroup): void {
    file ??= openNameless()
    const bytes = serialize(group)
    writeFully(file, bytes)
    const key = keyOf(group)
    const known = spilled.get(key)
    const place = { offset: size, length: bytes.length }
    if (known === undefined) spilled.set(key, [place])
    else known.push(place)
    size += bytes.length
  }

  function read({ offset, length }: Spilled): SampleGroup {
    const bytes = Buffer.allocUnsafeSlow(length)
    readFully(file!, bytes, offset)
    return deserialize(bytes)
  }
}

function keyOf({ endpoint, scope }: SampleGroup): string {
  const { environment, namespace, service, operation } = endpoint
  return JSON.stringify([environment, namespace, service, operation, scope])
}
