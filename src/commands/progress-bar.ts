import { SingleBar } from 'cli-progress'

export function isTerminal(stream: NodeJS.WritableStream): boolean {
  return (stream as NodeJS.WriteStream).isTTY === true
}

/** A bar that leaves no trace when it stops; `format` says what stands beside it. */
export function createBar(stream: NodeJS.WritableStream, format: string): SingleBar {
  return new SingleBar({
    format: `{bar} ${format}`,
    barsize: 24,
    stream,
    clearOnComplete: true,
    hideCursor: true,
    fps: 5,
  })
}
