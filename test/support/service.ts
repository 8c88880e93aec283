import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { newDirectory } from './directory.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

export type RunningService = {
  process: ChildProcess
  otlpGrpc: string
  otlpHttp: string
  api: string
  clickhouse: string
  /** Log lines so far. */
  lines: string[]
  /** Sends a signal and waits for the end: exit code or signal. */
  end(signal: NodeJS.Signals): Promise<number | string>
}

/** `longpole serve` as a process of its own, on free ports; ready when this returns. `under`: a command to run it. */
export async function startService(
  dataDir: string,
  env: Record<string, string> = {},
  { under = [], args = [] }: { under?: readonly string[]; args?: readonly string[] } = {},
): Promise<RunningService> {
  const [command, ...rest] = [...under, process.execPath, '--import', 'tsx', MAIN, 'serve', ...args]
  const child = spawn(command!, rest, {
    env: {
      PATH: process.env.PATH,
      LONGPOLE_DATA_DIR: dataDir,
      LONGPOLE_OTLP_GRPC: '127.0.0.1:0',
      LONGPOLE_OTLP_HTTP: '127.0.0.1:0',
      LONGPOLE_API: '127.0.0.1:0',
      LONGPOLE_CLICKHOUSE_HTTP: '127.0.0.1:0',
      LONGPOLE_SETTLE_SECONDS: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? -1))
  })
  const ready = new Promise<Record<string, string>>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      if (line.includes('"msg":"ready"')) resolve(JSON.parse(line))
    })
    createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
    ended.then((how) => reject(new Error(`the service ended (${how}):\n${lines.join('\n')}`)))
  })
  const { otlpGrpc, otlpHttp, api, clickhouse } = await ready
  return {
    process: child,
    otlpGrpc: otlpGrpc!,
    otlpHttp: otlpHttp!,
    api: api!,
    clickhouse: clickhouse!,
    lines,
    end(signal) {
      child.kill(signal)
      return ended
    },
  }
}

export function createDataDir(): { path: string; remove(): void } {
  const path = newDirectory()
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Asks until the answer is what is waited for. */
export async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean, ms = 30_000): Promise<T> {
  const deadline = Date.now() + ms
  for (;;) {
    const answer = await ask()
    if (done(answer)) return answer
    if (Date.now() > deadline)
      throw new Error(`still not there after ${ms} ms: ${JSON.stringify(answer).slice(0, 500)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
