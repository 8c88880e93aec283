import { availableParallelism, cpus } from 'node:os'

export function machine(): string {
  return `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`
}
