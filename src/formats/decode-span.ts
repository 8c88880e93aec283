import type { AttributeMap } from '../trace/shape.ts'
import type { FileSpan } from './file-span.ts'
import { hasUnsafeTags, jaegerProcess, jaegerSpan, processKey } from './jaeger.ts'
import { quoteLongNumbers } from './numbers.ts'
import { hasUnsafeNumbers, isObject, otlpSpan } from './otlp-json.ts'
import { FormatError, type Position, parseJson } from './problem.ts'
import { isZipkinSpan, zipkinResource, zipkinSpan } from './zipkin.ts'

/** JSON that holds one span: OTLP's, Jaeger's, or an object that should be Zipkin's. */
export type SpanSource = 'otlpSpan' | 'jaegerSpan' | 'document'

/** A span, and whose it is: of the resource around it in the file, of a process of its trace, or of what it says itself. */
export type DecodedSpan = { span: FileSpan; process?: string; own?: AttributeMap }

/** undefined: no span, but nothing wrong either. @throws FormatError */
export function decodeSpan(
  source: SpanSource,
  text: string,
  at: Position,
  withRest: boolean,
): DecodedSpan | undefined {
  const json = parseJson(text, at)
  switch (source) {
    case 'otlpSpan':
      return { span: atPosition(at, () => otlpSpan(exact(json, hasUnsafeNumbers, text, at), withRest)) }
    case 'jaegerSpan': {
      const span = atPosition(at, () => jaegerSpan(exact(json, hasUnsafeTags, text, at), withRest))
      const process = processKey(json)
      return process !== undefined
        ? { span, process }
        : { span, own: jaegerProcess(isObject(json) && json.process) }
    }
    case 'document':
      return decodeDocument(json, at, withRest)
  }
}

const EXPECTED = 'resourceSpans (OTLP), data or spans (Jaeger), or a Zipkin v2 span'

function decodeDocument(json: unknown, at: Position, withRest: boolean): DecodedSpan | undefined {
  if (!isObject(json)) throw new FormatError(`expected ${EXPECTED}`, at)
  if (isZipkinSpan(json)) {
    return { span: atPosition(at, () => zipkinSpan(json, withRest)), own: zipkinResource(json) }
  }
  const keys = Object.keys(json)
  // `{}` is an OTLP request without spans.
  if (keys.length === 0) return undefined
  const found = keys.slice(0, 5).join(', ') + (keys.length > 5 ? ', ...' : '')
  throw new FormatError(`expected ${EXPECTED}, found an object of ${found}`, at)
}

function exact(json: unknown, isInexact: (json: unknown) => boolean, text: string, at: Position): unknown {
  return isInexact(json) ? parseJson(quoteLongNumbers(text), at) : json
}

/** A span that makes no sense is left out; the file goes on. */
function atPosition(at: Position, read: () => FileSpan): FileSpan {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw new FormatError(`${error.message}; the span is left out`, at, { cause: error })
  }
}
