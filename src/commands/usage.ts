import { parseTarget, type Target } from '../analysis/target.ts'

/** A command line that makes no sense: exit code 2. */
export class UsageError extends Error {}

/** The value of an option that counts something. @throws UsageError */
export function countOption(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new UsageError(`--${option}: expected a whole number above 0, found ${JSON.stringify(text)}`)
  }
  return Number(text)
}

/** The value of `--target`. @throws UsageError */
export function targetOption(text: string | undefined): Target | undefined {
  try {
    return text === undefined ? undefined : parseTarget(text)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new UsageError(`--target: ${error.message}`, { cause: error })
  }
}
