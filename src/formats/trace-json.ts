import { type FileSpan, NO_SCOPE, type Resource, type Scope, type SpanSink } from './file-span.ts'
import { hasUnsafeTags, jaegerProcess, jaegerSpan, processKey } from './jaeger.ts'
import {
  createJsonScanner,
  type JsonScanner,
  type JsonVisitor,
  type Plan,
  parseJson,
} from './json-scanner.ts'
import { quoteLongNumbers } from './numbers.ts'
import { hasUnsafeNumbers, isObject, otlpResource, otlpScope, otlpSpan } from './otlp-json.ts'
import { FormatError, type Position } from './problem.ts'
import type { ReadOptions } from './read.ts'
import { isZipkinSpan, zipkinResource, zipkinSpan } from './zipkin.ts'

const takeEach = (what: string): Plan => ({ take: what, each: true })
const take = (what: string): Plan => ({ take: what, each: false })

/**
 * Where spans are in JSON trace files. A `document` is an OTLP request, Jaeger's answer or one of its traces, or a
 * Zipkin span; arrays of documents, nested or not, are walked through.
 */
const GRAMMAR: Readonly<Record<string, Readonly<Record<string, Plan>>>> = {
  document: {
    resourceSpans: { enter: 'resourceSpans' },
    data: { enter: 'document' },
    spans: takeEach('jaegerSpan'),
    processes: take('jaegerProcesses'),
  },
  resourceSpans: { resource: take('otlpResource'), scopeSpans: { enter: 'scopeSpans' } },
  scopeSpans: { scope: take('otlpScope'), spans: takeEach('otlpSpan') },
}

const EXPECTED = 'resourceSpans (OTLP), data or spans (Jaeger), or a Zipkin v2 span'

export function createTraceJsonReader(sink: SpanSink, options: ReadOptions): JsonScanner {
  const { withRest = false, onProblem } = options
  let resource: Resource = { attributes: undefined }
  let scope: Scope = NO_SCOPE
  const processes = new Map<string, Resource>()
  /** Zipkin names the service in every span; spans of one service share a resource. */
  const services = new Map<string, Resource>()

  const visitor: JsonVisitor = {
    root: 'document',
    plan: (role, key) => {
      const keys = GRAMMAR[role]!
      return Object.hasOwn(keys, key) ? keys[key] : undefined
    },
    enter(role) {
      if (role === 'resourceSpans') resource = { attributes: undefined }
      if (role === 'scopeSpans') scope = NO_SCOPE
    },
    leave(role) {
      if (role !== 'resourceSpans' && role !== 'document') return
      sink.settle()
      processes.clear()
    },
    take(what, text, at) {
      TAKES[what]!(text, at)
    },
    unplanned(text, at) {
      const json = parseJson(text, at)
      if (!isObject(json)) return
      if (isZipkinSpan(json)) {
        addSpan(at, () => zipkinSpan(json, withRest), serviceOf(json))
        return
      }
      const keys = Object.keys(json)
      // `{}` is an OTLP request without spans.
      if (keys.length === 0) return
      const found = keys.slice(0, 5).join(', ') + (keys.length > 5 ? ', ...' : '')
      onProblem(new FormatError(`expected ${EXPECTED}, found an object of ${found}`, at))
    },
    broken(error) {
      sink.abandon()
      processes.clear()
      onProblem(error)
    },
  }

  const TAKES: Readonly<Record<string, (text: string, at: Position) => void>> = {
    otlpResource(text, at) {
      resource.attributes = otlpResource(parseJson(text, at))
    },
    otlpScope(text, at) {
      scope = otlpScope(parseJson(text, at))
    },
    otlpSpan(text, at) {
      let json = parseJson(text, at)
      if (hasUnsafeNumbers(json)) json = parseJson(quoteLongNumbers(text), at)
      addSpan(at, () => otlpSpan(json, withRest), resource)
    },
    jaegerSpan(text, at) {
      let json = parseJson(text, at)
      if (hasUnsafeTags(json)) json = parseJson(quoteLongNumbers(text), at)
      const key = processKey(json)
      const own = isObject(json) ? json.process : undefined
      addSpan(
        at,
        () => jaegerSpan(json, withRest),
        key === undefined ? { attributes: jaegerProcess(own) } : processOf(key),
      )
    },
    jaegerProcesses(text, at) {
      const json = parseJson(text, at)
      if (!isObject(json)) return
      for (const key of Object.keys(json)) processOf(key).attributes = jaegerProcess(json[key])
    },
  }
  return createJsonScanner(visitor)

  /** A span that makes no sense is left out and reported; the file goes on. */
  function addSpan(at: Position, read: () => FileSpan, of: Resource): void {
    let span: FileSpan
    try {
      span = read()
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      onProblem(new FormatError(`${error.message}; the span is left out`, at))
      return
    }
    sink.add(span, of, scope)
  }

  function processOf(key: string): Resource {
    return known(processes, key, () => ({ attributes: undefined }))
  }

  function serviceOf(json: Readonly<Record<string, unknown>>): Resource {
    const attributes = zipkinResource(json)
    return known(services, String(attributes['service.name']), () => ({ attributes }))
  }
}

function known(resources: Map<string, Resource>, key: string, create: () => Resource): Resource {
  let resource = resources.get(key)
  if (resource === undefined) {
    resource = create()
    resources.set(key, resource)
  }
  return resource
}
