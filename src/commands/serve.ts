import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { createLog } from '../log.ts'
import type { CommandContext } from './context.ts'
import { ROLES, type Role, startService } from './service.ts'
import { UsageError } from './usage.ts'

export const summary = 'receivers, analyzer, API and its page in one process'

const HELP = `usage: longpole serve [--roles receiver,analyzer,api]
                      [--dependencies learned|single]

Starts the OTLP receivers (gRPC 4317, HTTP 4318), the analyzer, and the API with
the web page (8080). Without LONGPOLE_CLICKHOUSE_URL the embedded ClickHouse
engine keeps its data in LONGPOLE_DATA_DIR. Settings are environment variables,
see the README.

  --roles LIST         run a part: any of receiver, analyzer, api (default: all)
  --dependencies MODE  learned (default) or single: what calls waited for,
                       learned over many traces or from each trace alone
                       (LONGPOLE_DEPENDENCIES)
  -h, --help           this text
`

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      roles: { type: 'string' },
      dependencies: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    context.stdout.write(HELP)
    return 0
  }
  const roles = parseRoles(values.roles)
  const config = readConfig(withDependencies(context.env, values.dependencies))
  const log = createLog(config.logLevel, context.stdout)
  const stopped = awaitSignal()
  const service = await startService(config, log, roles)
  log.info({ ...service.addresses }, 'ready')
  const signal = await stopped
  log.info({ signal }, 'stopping')
  // Nobody waits longer: what was not acknowledged is sent again, what was not analyzed is found again.
  const graceMs = config.graceSeconds * 1000
  setTimeout(() => {
    log.warn({ graceMs }, 'stopped before all was finished')
    process.exit(0)
  }, graceMs).unref()
  await service.stop()
  log.info('stopped')
  return 0
}

/** The option is the setting, for this once. */
export function withDependencies(env: NodeJS.ProcessEnv, mode: string | undefined): NodeJS.ProcessEnv {
  return mode === undefined ? env : { ...env, LONGPOLE_DEPENDENCIES: mode }
}

/** @throws UsageError for a role there is not. */
export function parseRoles(text: string | undefined): readonly Role[] {
  if (text === undefined) return ROLES
  const roles = text.split(',').map((role) => role.trim())
  const unknown = roles.find((role) => !ROLES.includes(role as Role))
  if (unknown !== undefined) {
    throw new UsageError(`--roles: no role ${JSON.stringify(unknown)}; there are ${ROLES.join(', ')}`)
  }
  return roles as Role[]
}

/** A terminal tells the whole group, and npm and tsx hand on what they are told. */
const SAME_SIGNAL_MS = 1000

/** The first SIGINT or SIGTERM. What follows at once is the same one; a later one ends the process there and then. */
export function awaitSignal(): Promise<string> {
  const signals = ['SIGINT', 'SIGTERM'] as const
  return new Promise((resolve) => {
    const listen = (signal: string) => {
      resolve(signal)
      setTimeout(() => {
        for (const signal of signals) process.off(signal, listen)
      }, SAME_SIGNAL_MS).unref()
    }
    for (const signal of signals) process.on(signal, listen)
  })
}
