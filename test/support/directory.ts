import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory, which is removed when all tests have run (whole-run.ts). */
export function newDirectory(): string {
  return mkdtempSync(join(process.env.LONGPOLE_TEST_DIR ?? tmpdir(), 'longpole-test-'))
}
