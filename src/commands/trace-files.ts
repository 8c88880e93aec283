import type { SpanSink } from '../formats/file-span.ts'
import { describeProblem, type FormatError } from '../formats/problem.ts'
import { readTraces, type SpanPipes } from '../formats/read.ts'
import { openSource, type Source } from '../formats/source.ts'
import { createBar, isTerminal } from './progress-bar.ts'

export type ReadResult = {
  /** Files that held anything readable. */
  readFiles: number
  problems: number
  /** Waiting for bytes, and making spans of them. */
  readMs: number
  decodeMs: number
}

type ReadFilesOptions = {
  withRest?: boolean
  pipes?: SpanPipes
  stderr: NodeJS.WritableStream
  /** After every chunk; reading waits for it. */
  onChunk?: () => void | Promise<void>
  /** What is shown beside the progress bar. */
  spanCount: () => number
}

/** So many problems of one file are printed in full. */
const PRINTED_PROBLEMS = 5

/**
 * Reads all files into the sink, one after the other, with a progress bar on a terminal. What is wrong with a file is
 * written to `stderr` with its name and position; the others are read all the same.
 */
export async function readTraceFiles(
  paths: readonly string[],
  sink: SpanSink,
  options: ReadFilesOptions,
): Promise<ReadResult> {
  const result: ReadResult = { readFiles: 0, problems: 0, readMs: 0, decodeMs: 0 }
  const sources: Source[] = []
  for (const path of paths) {
    try {
      sources.push(openSource(path, process.stdin))
    } catch (error) {
      result.problems++
      options.stderr.write(`${path}: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
  const bar = progressBar(sources, options)
  const messages: string[] = []
  for (const source of sources) messages.push(...(await readOne(source, bar.update)))
  bar.stop()
  for (const message of messages) options.stderr.write(message)
  return result

  async function readOne(source: Source, update: () => void): Promise<string[]> {
    const problems: FormatError[] = []
    const spansBefore = options.spanCount()
    const startMs = performance.now()
    let decodeMs = 0
    await readTraces(source, sink, {
      withRest: options.withRest ?? false,
      ...(options.pipes === undefined ? {} : { pipes: options.pipes }),
      onProblem: (problem) => problems.push(problem),
      onChunk: (ms) => {
        decodeMs += ms
        update()
        return options.onChunk?.()
      },
    })
    result.decodeMs += decodeMs
    result.readMs += performance.now() - startMs - decodeMs
    const spans = options.spanCount() - spansBefore
    if (spans > 0 || problems.length === 0) result.readFiles++
    result.problems += problems.length
    return describeProblems(source, problems, spans)
  }
}

function describeProblems(source: Source, problems: readonly FormatError[], spans: number): string[] {
  const where = source.compressed() ? ' (unpacked)' : ''
  const lines = problems
    .slice(0, PRINTED_PROBLEMS)
    .map((problem) => `${source.name}${where}: ${describeProblem(problem)}\n`)
  if (problems.length > PRINTED_PROBLEMS) {
    lines.push(`${source.name}${where}: ... and ${problems.length - PRINTED_PROBLEMS} more\n`)
  }
  if (problems.length > 0)
    lines.push(
      `${source.name}: ${spans === 0 ? 'no span' : spans === 1 ? '1 span' : `${spans} spans`} could be read\n`,
    )
  return lines
}

/** Of bytes, on a terminal; where the sizes are not known (standard input), of nothing. */
function progressBar(sources: readonly Source[], options: ReadFilesOptions) {
  const sizes = sources.map((source) => source.sizeBytes)
  const total = sizes.reduce((sum: number, size) => sum + (size ?? 0), 0)
  if (!isTerminal(options.stderr) || total === 0 || sizes.includes(undefined))
    return { update: () => {}, stop: () => {} }
  const bar = createBar(
    options.stderr,
    '{percentage}% of {megabytes} MB, {spans} spans, {eta_formatted} left',
  )
  const fields = () => ({ megabytes: Math.round(total / 1e6), spans: options.spanCount() })
  bar.start(total, 0, fields())
  return {
    update: () =>
      bar.update(
        sources.reduce((sum, source) => sum + source.readBytes(), 0),
        fields(),
      ),
    stop: () => bar.stop(),
  }
}
