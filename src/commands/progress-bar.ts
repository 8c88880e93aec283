import { SingleBar } from 'cli-progress'
import type { TraceObserver } from '../analysis/analyze.ts'

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
    // What is set once must be set back, and an interrupt would leave it: the cursor stays, and lines may wrap.
    hideCursor: false,
    linewrap: true,
    fps: 5,
  })
}

/** Spans between two looks at the clock. */
const STEP = 2_000

/**
 * Hands on what an observer is to see, and tells as traces are done how many spans that were (`advance`): analysis holds
 * on to the thread, so a bar does not move by itself.
 */
export function watchSpans(observer: TraceObserver, advance: (spans: number) => void): TraceObserver {
  let spans = 0
  return {
    ...observer,
    sampled(result, trace) {
      observer.sampled(result, trace)
      spans += result.traces.spanCount[trace]!
      if (spans < STEP) return
      advance(spans)
      spans = 0
    },
  }
}
