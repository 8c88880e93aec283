import { Worker, type WorkerOptions } from 'node:worker_threads'

/** A thread that runs a file of ours. Node before 22.18 does not read TypeScript: tsx has to be there as well. */
export function startThread(entry: URL, options: WorkerOptions = {}): Worker {
  if ('typescript' in process.features && process.features.typescript !== false) {
    return new Worker(entry, options)
  }
  const [tsx, script] = [import.meta.resolve('tsx/esm/api'), entry.href].map((url) => JSON.stringify(url))
  const boot = `import(${tsx}).then(({ register }) => { register(); return import(${script}) })`
  return new Worker(boot, { ...options, eval: true })
}
