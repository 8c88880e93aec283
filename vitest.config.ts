import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Tests of whole services take longest, and little of a core: first, so that none of them is what all wait for. */
class ServicesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = (file: TestSpecification) => (/test\/(service|analyzer)\//.test(file.moduleId) ? 0 : 1)
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Engines and services are real processes; two cores cannot start more than a few at once. Each is waited for now and
    // then, which leaves room for a third worker.
    pool: 'forks',
    maxWorkers: 3,
    // Files share what a worker has loaded: a quarter of the time went into loading the same modules again.
    isolate: false,
    globalSetup: 'test/support/whole-run.ts',
    sequence: { sequencer: ServicesFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
