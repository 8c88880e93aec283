import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OpenAPIHono } from '@hono/zod-openapi'

/** Built from src/web/ by `npm run page`. */
const BUILT = join(import.meta.dirname, '..', 'web', 'built')

const FILES: Readonly<Record<string, { file: string; type: string }>> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  '/licenses.txt': { file: 'licenses.txt', type: 'text/plain; charset=utf-8' },
}

export const PAGE_PATHS = Object.keys(FILES)

/** Nothing but this service's own files and answers; styles also in elements, which charts set. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The web page. Who asks for `/` and not for HTML (curl, scripts) is told where the API begins. */
export function addPage(app: OpenAPIHono): void {
  for (const [path, { file, type }] of Object.entries(FILES)) {
    const body = readFileSync(join(BUILT, file))
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
    app.get(path, (c, next) => {
      if (path === '/' && !(c.req.header('accept') ?? '').includes('text/html')) return next()
      c.header('ETag', etag)
      c.header('Cache-Control', 'no-cache')
      c.header('Vary', 'Accept')
      if (c.req.header('if-none-match') === etag) return c.body(null, 304)
      c.header('Content-Security-Policy', POLICY)
      c.header('X-Content-Type-Options', 'nosniff')
      c.header('Content-Type', type)
      return c.body(body)
    })
  }
}
