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
  const answer = await store.client.query({
    query: `SELECT toString(greatest(toInt64(max(Version)) + 1, toUnixTimestamp64Micro(now64(6)))) AS version
            FROM marks WHERE Name = {name:String}`,
    query_params: { name },
    format: 'JSONEachRow',
  })
  const [next] = await answer.json<{ version: string }>()
  await store.client.insert({
    table: 'marks',
    values: [{ Name: name, FromMs: fromMs, ToMs: toMs, Version: next!.version, IsDeleted: gone ? 1 : 0 }],
    format: 'JSONEachRow',
  })
}
