import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const WEB = join(import.meta.dirname, '..', '..', 'src', 'web')

const textsIn = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))

it('src/web/built is what its sources build to (npm run page)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'longpole-page-'))
  try {
    // Not in this process, which vitest has told the bundler to be one for tests.
    const { NODE_ENV, VITEST, ...env } = process.env
    execFileSync('npx', ['vite', 'build', '--config', join(WEB, 'vite.config.ts'), '--outDir', folder], {
      env,
    })
    expect(textsIn(folder)).toEqual(textsIn(join(WEB, 'built')))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
