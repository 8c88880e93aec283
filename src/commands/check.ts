import { parseArgs } from 'node:util'
import { bottleneckOf } from '../analysis/bottlenecks.ts'
import { readConfig } from '../config.ts'
import { type ExplainedBottleneck, explain } from '../findings/findings.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import { readBottlenecks } from './api-client.ts'
import { type Budget, readBudgetFile } from './budget.ts'
import { judgeBudget, verdictText, verdictXml } from './budget-verdict.ts'
import type { CommandContext } from './context.ts'
import { analyzeTraceFiles } from './file-analysis.ts'
import { UsageError } from './usage.ts'

export const summary = 'compare endpoints with their latency budgets, for CI'

const HELP = `usage: longpole check --budget FILE [options] [TRACES...]

Compares endpoints with their budgets: those in trace files, or without any
those of a running service (LONGPOLE_API, or --url). Exit code 1 if a budget is
missed; says what holds the endpoint back, the finding behind it and its owner.

  --budget FILE         YAML:
                          budgets:
                            gateway GET /orders: p95<500ms
                            gateway POST /pay: [p50<80ms, p99<1s]
                          owners:            # by service
                            gateway: team-edge
  --format text|junit   junit: JUnit XML on standard output
  --allow-absent        an endpoint without requests is no failure
  --from TIME, --to TIME, --environment NAME, --namespace NAME
                        of a running service; default: the last hour. Without
                        a name, every environment has to keep the budget
  --url URL             of the API
  -h, --help            this text
`

const FILTERS = ['from', 'to', 'environment', 'namespace'] as const

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...Object.fromEntries(FILTERS.map((name) => [name, { type: 'string' as const }])),
      budget: { type: 'string' },
      format: { type: 'string', default: 'text' },
      'allow-absent': { type: 'boolean', default: false },
      url: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    context.stdout.write(HELP)
    return 0
  }
  const { budget: path, format, 'allow-absent': allowAbsent } = values
  if (path === undefined) throw new UsageError('expected --budget FILE')
  if (format !== 'text' && format !== 'junit') {
    throw new UsageError(`--format: expected text or junit, found ${JSON.stringify(format)}`)
  }
  const { budgets, owners } = readBudgetFile(path)
  const given = values as Record<string, string | boolean | undefined>
  if (positionals.length > 0 && [...FILTERS, 'url'].some((name) => given[name] !== undefined)) {
    throw new UsageError('trace files, or --url and a range of a running service: not both')
  }
  const endpointOf =
    positionals.length > 0
      ? await endpointsOfFiles(positionals, budgets, context)
      : endpointsOfService(context, given as Record<string, string | undefined>)
  if (endpointOf === undefined) {
    context.stderr.write('longpole check: nothing could be read\n')
    return 1
  }
  const verdicts = []
  for (const budget of budgets) verdicts.push(judgeBudget(budget, await endpointOf(budget), owners))
  context.stdout.write(format === 'junit' ? verdictXml(verdicts, allowAbsent) : verdictText(verdicts))
  const failed = verdicts.some(
    ({ outcome }) => outcome === 'missed' || (outcome === 'absent' && !allowAbsent),
  )
  return failed ? 1 : 0
}

/** The endpoint of a budget, judged against its target: once for each environment and namespace it is in. */
type EndpointOf = (budget: Budget) => Promise<ExplainedBottleneck[]>

async function endpointsOfFiles(
  files: readonly string[],
  budgets: readonly Budget[],
  { env, stderr }: CommandContext,
): Promise<EndpointOf | undefined> {
  const isAsked = (endpoint: Endpoint) => budgets.some((budget) => isOf(budget, endpoint))
  const analyzed = await analyzeTraceFiles(files, isAsked, readConfig(env).findingLimits, stderr)
  if (analyzed === undefined) return undefined
  return async (budget) => {
    const groups = analyzed.groups.filter(({ endpoint }) => isOf(budget, endpoint))
    return chosen(
      explain(
        groups.map((group) => bottleneckOf(group, budget.target)),
        analyzed.findings,
      ),
    )
  }
}

function isOf({ service, operation }: Budget, endpoint: Endpoint): boolean {
  return endpoint.service === service && endpoint.operation === operation
}

function endpointsOfService({ env }: CommandContext, given: Record<string, string | undefined>): EndpointOf {
  const config = readConfig(env)
  const url = given.url ?? `${config.tls === undefined ? 'http' : 'https'}://${config.api}`
  const filters = Object.fromEntries(FILTERS.map((name) => [name, given[name]]))
  return async ({ service, operation, text }) =>
    chosen(
      await readBottlenecks({
        url,
        token: config.token,
        query: { ...filters, service, operation, target: text },
      }),
    )
}

/** Of an environment and namespace, entries of traces before SERVER spans within them. */
function chosen(endpoints: readonly ExplainedBottleneck[]): ExplainedBottleneck[] {
  const places = new Map<string, ExplainedBottleneck>()
  for (const endpoint of endpoints) {
    const place = JSON.stringify([endpoint.environment, endpoint.namespace])
    if (endpoint.scope === 'trace' || !places.has(place)) places.set(place, endpoint)
  }
  return [...places.values()]
}
