import { Writable } from 'node:stream'
import type { CommandContext } from '../../src/commands/context.ts'

/** A context whose streams keep what is written to them. */
export function capture(env: NodeJS.ProcessEnv = {}): CommandContext & { out(): string; err(): string } {
  const collect = () => {
    let text = ''
    const stream = new Writable({
      write(chunk, _, done) {
        text += String(chunk)
        done()
      },
    })
    return { stream, text: () => text }
  }
  const stdout = collect()
  const stderr = collect()
  return { env, stdout: stdout.stream, stderr: stderr.stream, out: stdout.text, err: stderr.text }
}
