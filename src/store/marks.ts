import type { Store } from './store.ts'

/** A range with a name. */
export type Mark = { name: string; fromMs: number; toMs: number }

export async function listMarks(store: Store): Promise<Mark[]> {
  const answer = await store.client.query({
    query: `SELECT Name AS name, toFloat64(FromMs) AS fromMs, toFloat64(ToMs) AS toMs FROM marks FINAL ORDER BY FromMs, Name`,
    format: 'JSONEachRow',
  })
  return answer.json<Mark>()
}

/** Sets a mark, in place of one of the same name; `gone` takes it away. */
export async function writeMark(store: Store, { name, fromMs, toMs }: Mark, gone = false): Promise<void> {
  await store.client.command({
    query: `INSERT INTO marks SELECT {name:String}, {fromMs:Int64}, {toMs:Int64},
            greatest(toUnixTimestamp64Micro(now64(6)),
                     (SELECT max(Version) + 1 FROM marks WHERE Name = {name:String})), {gone:UInt8}`,
    query_params: { name, fromMs, toMs, gone: gone ? 1 : 0 },
  })
}
