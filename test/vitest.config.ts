// The kinds of tests: `unit` in seconds, `vm` on a real kernel in QEMU, `long` for what takes longer, `faults` for as long as
// one likes.
import { defineConfig } from 'vitest/config'

// node-udev dies in a worker thread, and QEMU must end with the process that started it: forks, not threads.
const pool = 'forks'

/** One run is of one project, and its figures stay beside those of the others. */
const project = process.argv[process.argv.indexOf('--project') + 1] ?? 'all'

export default defineConfig({
  root: `${import.meta.dirname}/..`,
  test: {
    passWithNoTests: false,
    teardownTimeout: 60_000,
    reporters: ['default', 'json'],
    outputFile: { json: `build/test-results/${project}.json` },
    projects: [
      {
        test: {
          name: 'unit',
          pool,
          include: ['test/**/*.test.ts'],
          exclude: ['test/vm/**'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'vm',
          pool,
          include: ['test/vm/scenarios/**/*.test.ts'],
          maxWorkers: 2,
          testTimeout: 600_000,
          hookTimeout: 600_000,
          retry: 0,
        },
      },
      {
        test: {
          name: 'faults',
          pool,
          include: ['test/vm/faults/**/*.test.ts'],
          maxWorkers: 1,
          retry: 0,
        },
      },
      {
        test: {
          name: 'long',
          pool,
          include: ['test/vm/long/**/*.test.ts'],
          maxWorkers: 2,
          testTimeout: 3_600_000,
          retry: 0,
        },
      },
    ],
  },
})
