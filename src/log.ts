import { type DestinationStream, type Logger, pino } from 'pino'

/** One line of JSON a message, on standard output: constant `msg`, varying fields. */
export function createLog(level: string, destination: DestinationStream = process.stdout): Logger {
  return pino(
    { level, base: { pid: process.pid }, formatters: { level: (label) => ({ level: label }) } },
    destination,
  )
}
