import { parseArgs } from 'node:util'
import type { Bottleneck } from '../analysis/bottlenecks.ts'
import { readConfig } from '../config.ts'
import { readBottlenecks } from './api-client.ts'
import type { CommandContext } from './context.ts'
import { renderReport } from './report-table.ts'
import { countOption, targetOption } from './usage.ts'

export const summary = 'the bottleneck report of a running service'

const HELP = `usage: longpole report [options]

Asks a running service (LONGPOLE_API, or --url) what holds each endpoint back.

  --target 'p95<500ms'    judge against a target
  --from TIME --to TIME   ISO time or now-1h; default: the last hour
  --service NAME, --operation NAME, --environment NAME, --namespace NAME
  --scope trace|service   entries of traces (default), or SERVER spans within
  --top N                 only the N endpoints that most time is spent in (10)
  --url URL               of the API
  --json                  what the API answers
  -h, --help              this text
`

const FILTERS = ['from', 'to', 'service', 'operation', 'environment', 'namespace'] as const

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(FILTERS.map((name) => [name, { type: 'string' as const }])),
      target: { type: 'string' },
      scope: { type: 'string', default: 'trace' },
      top: { type: 'string', default: '10' },
      url: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    context.stdout.write(HELP)
    return 0
  }
  const target = targetOption(values.target)
  const top = countOption('top', values.top)
  const given = values as Record<string, string | boolean | undefined>
  const config = readConfig(context.env)
  const bottlenecks = await readBottlenecks({
    url: values.url ?? `${config.tls === undefined ? 'http' : 'https'}://${config.api}`,
    token: config.token,
    query: {
      ...Object.fromEntries(FILTERS.map((name) => [name, given[name]])),
      target: values.target,
      scope: values.scope,
    },
  })
  if (values.json) context.stdout.write(`${JSON.stringify({ bottlenecks }, null, 2)}\n`)
  else context.stdout.write(renderReport(busiest(bottlenecks, top), { target }))
  return 0
}

/** The endpoints that most time is spent in, most first. */
export function busiest<B extends Pick<Bottleneck, 'entries' | 'observed'>>(
  bottlenecks: readonly B[],
  top: number,
): B[] {
  const time = ({ entries, observed }: B) => entries * observed.meanNs
  return [...bottlenecks].sort((a, b) => time(b) - time(a)).slice(0, top)
}
