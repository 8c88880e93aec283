import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Around all files of a run: what they leave in directories goes at its end, when their workers have ended. */
export default function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'longpole-tests-'))
  process.env.LONGPOLE_TEST_DIR = directory
  // An engine that its worker left has a moment to end.
  return () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}
