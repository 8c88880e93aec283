import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { askApi } from './api-client.ts'
import type { CommandContext } from './context.ts'
import { UsageError } from './usage.ts'

export const summary = 'gives a range of time a name, for /api/v1/compare'

const HELP = `usage: longpole mark NAME [--from TIME] [--to TIME]
       longpole mark --list
       longpole mark --delete NAME

Gives a range a name in a running service (LONGPOLE_API, or --url), in place of the one that had it: a load test before
and after, say. /api/v1/compare?baseline=NAME&mark=OTHER then compares two of them.

  --from TIME --to TIME   ISO time or now-1h; default: the last hour
  --list                  all marks
  --delete NAME           takes one away
  --url URL               of the API
  -h, --help              this text
`

type Mark = { name: string; from: string; to: string }

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      from: { type: 'string', default: 'now-1h' },
      to: { type: 'string', default: 'now' },
      list: { type: 'boolean' },
      delete: { type: 'string' },
      url: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    context.stdout.write(HELP)
    return 0
  }
  const wanted = positionals.length + (values.list ? 1 : 0) + (values.delete === undefined ? 0 : 1)
  if (wanted !== 1) throw new UsageError('expected one NAME, or --list, or --delete NAME')
  const config = readConfig(context.env)
  const base = values.url ?? `${config.tls === undefined ? 'http' : 'https'}://${config.api}`
  const url = (name: string) =>
    new URL(`/api/v1/marks${name === '' ? '' : `/${encodeURIComponent(name)}`}`, base)
  const show = ({ name, from, to }: Mark) => context.stdout.write(`${name}  ${from} to ${to}\n`)
  if (values.list) {
    for (let next: number | null = 0; next !== null; ) {
      const page = url('')
      page.searchParams.set('offset', String(next))
      const { marks, nextOffset } = await askApi<{ marks: Mark[]; nextOffset: number | null }>(
        page,
        config.token,
      )
      for (const mark of marks) show(mark)
      next = nextOffset
    }
  } else if (values.delete !== undefined) {
    show(await askApi<Mark>(url(values.delete), config.token, { method: 'DELETE' }))
  } else {
    const body = { from: values.from, to: values.to }
    show(await askApi<Mark>(url(positionals[0]!), config.token, { method: 'PUT', body }))
  }
  return 0
}
