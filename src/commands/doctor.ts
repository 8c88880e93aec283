import { parseArgs } from 'node:util'
import { analyzeSpans } from '../analysis/analyze.ts'
import { createDoctor, type Diagnosis } from '../analysis/doctor.ts'
import { readConfig } from '../config.ts'
import { createDecodePool } from '../formats/decode-pool.ts'
import { createSpanSpool } from '../formats/span-spool.ts'
import { askApi } from './api-client.ts'
import type { CommandContext } from './context.ts'
import { doctorText } from './doctor-text.ts'
import { readTraceFiles } from './trace-files.ts'
import { UsageError } from './usage.ts'

export const summary = 'is the input good enough, and what to fix if not'

const HELP = `usage: longpole doctor [options] [FILE...]

Looks at the traces of a running service (LONGPOLE_API, or --url), or of files:
spans without parents, traces without roots, clocks that differ, context that is
not propagated, attributes that are missing; each with what to do about it.

  --from TIME --to TIME   ISO time or now-1h; default: the last hour
  --service NAME, --environment NAME, --namespace NAME
                          only traces that such a span is in
  --url URL               of the API
  --json                  everything as JSON
  -h, --help              this text
`

const FILTERS = ['from', 'to', 'service', 'environment', 'namespace'] as const

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...Object.fromEntries(FILTERS.map((name) => [name, { type: 'string' as const }])),
      url: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    context.stdout.write(HELP)
    return 0
  }
  const given = values as Record<string, string | boolean | undefined>
  const [ofService] = [...FILTERS, 'url'].filter((name) => given[name] !== undefined)
  if (positionals.length > 0 && ofService !== undefined) {
    throw new UsageError(`--${ofService}: goes with a running service, not with files`)
  }
  const diagnosis =
    positionals.length > 0 ? await diagnoseFiles(positionals, context) : await askService(given, context)
  if (diagnosis === undefined) {
    context.stderr.write('longpole doctor: nothing could be read\n')
    return 1
  }
  context.stdout.write(values.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : doctorText(diagnosis))
  return 0
}

async function askService(
  given: Record<string, string | boolean | undefined>,
  { env }: CommandContext,
): Promise<Diagnosis> {
  const config = readConfig(env)
  const base = given.url ?? `${config.tls === undefined ? 'http' : 'https'}://${config.api}`
  const url = new URL('/api/v1/doctor', String(base))
  for (const name of FILTERS) {
    if (given[name] !== undefined) url.searchParams.set(name, String(given[name]))
  }
  return askApi(url, config.token)
}

/** undefined if no file could be read. */
async function diagnoseFiles(files: string[], { stderr }: CommandContext): Promise<Diagnosis | undefined> {
  const spool = createSpanSpool()
  try {
    const pool = createDecodePool(spool.sink)
    const read = await readTraceFiles(files, spool.sink, {
      pipes: pool,
      stderr,
      spanCount: spool.spanCount,
      onChunk: spool.relieve,
    }).finally(pool.close)
    if (read.readFiles === 0) return undefined
    const doctor = createDoctor()
    for (const batch of spool.batches()) doctor.add(analyzeSpans(batch))
    return doctor.diagnose()
  } finally {
    spool.close()
  }
}
