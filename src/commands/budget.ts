import { readFileSync } from 'node:fs'
import { parse, YAMLParseError } from 'yaml'
import { z } from 'zod'
import { parseTarget, type Target } from '../analysis/target.ts'
import { UsageError } from './usage.ts'

/** What an endpoint has to keep. */
export type Budget = {
  service: string
  operation: string
  /** As written: `p95<500ms`. */
  text: string
  target: Target
}

export type BudgetFile = { budgets: Budget[]; owners: ReadonlyMap<string, string> }

const FILE = z.strictObject({
  budgets: z.record(z.string(), z.union([z.string(), z.array(z.string()).min(1)])),
  owners: z.record(z.string(), z.string()).default({}),
})
/** `gateway GET /orders/{id}`: the service, then the operation. */
const ENDPOINT = /^(\S+) +(\S.*)$/

/**
 * Reads a budget file (README.md has an example): targets by endpoint, owners by service.
 *
 * @throws UsageError that names the file and what is wrong in it
 */
export function readBudgetFile(path: string): BudgetFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UsageError(`--budget: ${path} cannot be read`, { cause })
  }
  try {
    return parseBudgets(text)
  } catch (error) {
    if (error instanceof RangeError || error instanceof YAMLParseError) {
      throw new UsageError(`${path}: ${error.message}`, { cause: error })
    }
    throw error
  }
}

/** @throws RangeError or YAMLParseError that says what is wrong */
export function parseBudgets(text: string): BudgetFile {
  const parsed = FILE.safeParse(parse(text))
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`)
    throw new RangeError(problems.join('; '))
  }
  const { budgets, owners } = parsed.data
  return {
    budgets: Object.entries(budgets).flatMap(([endpoint, targets]) => {
      const match = ENDPOINT.exec(endpoint)
      if (match === null) {
        throw new RangeError(
          `${JSON.stringify(endpoint)}: expected a service and an operation, as gateway GET /home`,
        )
      }
      const [, service = '', operation = ''] = match
      return [targets]
        .flat()
        .map((one) => ({ service, operation, text: one, target: targetOf(endpoint, one) }))
    }),
    owners: new Map(Object.entries(owners)),
  }
}

function targetOf(endpoint: string, text: string): Target {
  try {
    return parseTarget(text)
  } catch (cause) {
    throw new RangeError(`${endpoint}: ${(cause as Error).message}`, { cause })
  }
}
