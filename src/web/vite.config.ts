import { join } from 'node:path'
import { defineConfig } from 'vite'

/** Names without hashes: what is built is kept beside the sources, and a change shows as a change. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  logLevel: 'warn',
  build: {
    outDir: join(import.meta.dirname, 'built'),
    emptyOutDir: true,
    modulePreload: false,
    rollupOptions: { output: { entryFileNames: 'page.js', assetFileNames: 'page[extname]' } },
  },
  // `npx vite --config src/web/vite.config.ts` beside a service: changes show at once.
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
})
