import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { createLog } from '../log.ts'
import type { CommandContext } from './context.ts'
import { startService } from './service.ts'

export const summary = 'applies schema/ to the store'

const HELP = `usage: longpole migrate

Applies the numbered files of schema/ that the store does not have yet. Starting
the service does the same.

  -h, --help  this text
`

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.stdout.write(HELP)
    return 0
  }
  const config = readConfig(context.env)
  const service = await startService(config, createLog(config.logLevel, context.stderr), [])
  await service.stop()
  context.stdout.write(`schema of database ${config.clickhouseDatabase} is up to date\n`)
  return 0
}
