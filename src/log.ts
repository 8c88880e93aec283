import { type Logger, pino } from 'pino'

/** One line of JSON a message, on standard output: constant `msg`, varying fields. */
export function createLog(level: string, destination: NodeJS.WritableStream = process.stdout): Logger {
  return pino(
    { level, base: { pid: process.pid }, formatters: { level: (label) => ({ level: label }) } },
    destination,
  )
}
