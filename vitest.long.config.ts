import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.long.ts'],
    pool: 'forks',
    maxWorkers: 1,
    globalSetup: 'test/support/whole-run.ts',
    testTimeout: 1_200_000,
    hookTimeout: 120_000,
  },
})
