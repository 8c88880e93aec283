import { decodeSpan, type SpanSource } from './decode-span.ts'
import type { Resource, Scope, SpanSink } from './file-span.ts'
import { FormatError, type Position } from './problem.ts'
import type { ReadOptions } from './read.ts'

/** Whose a span is, where it says so itself. */
export type ResourceFinder = {
  process(key: string): Resource
  own(attributes: Readonly<Record<string, unknown>>): Resource
}

/**
 * The way of spans from the scanner to the sink, in order: `later` is done when all spans before it have arrived.
 * `resource` is that around the span in the file.
 */
export type SpanPipe = {
  span(source: SpanSource, json: Buffer, at: Position, resource: Resource, scope: Scope): void
  later(action: () => void): void
}

/** Decodes each span as it comes. */
export function createPipe(sink: SpanSink, find: ResourceFinder, options: ReadOptions): SpanPipe {
  return {
    span(source, json, at, resource, scope) {
      try {
        const decoded = decodeSpan(source, json.toString(), at, options.withRest ?? false)
        if (decoded === undefined) return
        const { span, process, own } = decoded
        sink.add(
          span,
          process !== undefined ? find.process(process) : own !== undefined ? find.own(own) : resource,
          scope,
        )
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
        options.onProblem(error)
      }
    },
    later: (action) => action(),
  }
}
