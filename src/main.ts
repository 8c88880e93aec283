import type { CommandContext } from './commands/context.ts'
import { UsageError } from './commands/usage.ts'
import { ConfigError } from './config.ts'

/** A command line that makes no sense: exit code 2. */
const EXIT_USAGE = 2
const EXIT_FAILURE = 1

type Command = {
  summary: string
  run: (args: readonly string[], context: CommandContext) => Promise<number>
}

/** Loaded when asked for: `analyze` needs no engine, `report` no receiver. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: () => import('./commands/serve.ts'),
  demo: () => import('./commands/demo.ts'),
  analyze: () => import('./commands/analyze.ts'),
  import: () => import('./commands/import.ts'),
  check: () => import('./commands/check.ts'),
  report: () => import('./commands/report.ts'),
  doctor: () => import('./commands/doctor.ts'),
  mark: () => import('./commands/mark.ts'),
  migrate: () => import('./commands/migrate.ts'),
}

async function main(argv: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...args] = argv
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    context.stdout.write(await usage())
    return name === undefined ? EXIT_USAGE : 0
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined) {
    context.stderr.write(`longpole: no command ${JSON.stringify(name)}; longpole --help lists them\n`)
    return EXIT_USAGE
  }
  try {
    return await (await load()).run(args, context)
  } catch (error) {
    if (isUsageError(error)) {
      context.stderr.write(
        `longpole ${name}: ${(error as Error).message}\nlongpole ${name} --help says more\n`,
      )
      return EXIT_USAGE
    }
    context.stderr.write(`longpole ${name}: ${messageOf(error)}\n`)
    return EXIT_FAILURE
  }
}

async function usage(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, load]) => `  ${name.padEnd(9)}${(await load()).summary}`),
  )
  return `Which backend component holds an endpoint's p95 back?

usage: npm run -s longpole -- <command> [--help]

${lines.join('\n')}
`
}

/** Settings and options that cannot be used, and what node:util's parseArgs refuses. */
function isUsageError(error: unknown): boolean {
  if (error instanceof ConfigError || error instanceof UsageError) return true
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS')
}

/** The message with those of its causes: what failed, and why. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`
}

process.exitCode = await main(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
})
