import { NO_SCOPE, type Resource, type Scope, type SpanSink } from './file-span.ts'
import { jaegerProcess } from './jaeger.ts'
import { createJsonScanner, type JsonScanner, type JsonVisitor, type Plan } from './json-scanner.ts'
import { isObject, otlpResource, otlpScope } from './otlp-json.ts'
import { type Position, parseJson } from './problem.ts'
import type { ReadOptions } from './read.ts'
import { createPipe } from './span-pipe.ts'

const takeEach = (what: string): Plan => ({ take: what, each: true })
const take = (what: string): Plan => ({ take: what, each: false })

/**
 * Where spans are in JSON trace files. A `document` is an OTLP request, Jaeger's answer or one of its traces, or a
 * Zipkin span; arrays of documents, nested or not, are walked through. OTLP has been called otherwise: `result` in the
 * answers of Jaeger's newer API, `trace` and `batches` in Tempo's, `instrumentationLibrarySpans` before OTLP 0.19.
 */
const GRAMMAR: Readonly<Record<string, Readonly<Record<string, Plan>>>> = {
  document: {
    resourceSpans: { enter: 'resourceSpans' },
    batches: { enter: 'resourceSpans' },
    result: { enter: 'document' },
    trace: { enter: 'document' },
    data: { enter: 'document' },
    spans: takeEach('jaegerSpan'),
    processes: take('jaegerProcesses'),
  },
  resourceSpans: {
    resource: take('otlpResource'),
    scopeSpans: { enter: 'scopeSpans' },
    instrumentationLibrarySpans: { enter: 'scopeSpans' },
  },
  scopeSpans: {
    scope: take('otlpScope'),
    instrumentationLibrary: take('otlpScope'),
    spans: takeEach('otlpSpan'),
  },
}

export function createTraceJsonReader(sink: SpanSink, options: ReadOptions): JsonScanner {
  let resource: Resource = { attributes: undefined }
  let scope: Scope = NO_SCOPE
  const processes = new Map<string, Resource>()
  /** Zipkin names the service in every span; spans of one service share a resource. */
  const owners = new Map<string, Resource>()
  const processOf = (key: string) => known(processes, key, () => ({ attributes: undefined }))

  const pipe = (options.pipes?.create ?? createPipe)(
    sink,
    {
      process: processOf,
      own: (attributes) => known(owners, JSON.stringify(attributes), () => ({ attributes })),
    },
    options,
  )

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
      pipe.later(() => {
        sink.settle()
        processes.clear()
      })
    },
    take(what, json, at) {
      if (what === 'otlpSpan' || what === 'jaegerSpan') pipe.span(what, json, at, resource, scope)
      else TAKES[what]!(json.toString(), at)
    },
    unplanned: (json, at) => pipe.span('document', json, at, resource, scope),
    broken(error) {
      pipe.later(() => {
        sink.abandon()
        processes.clear()
        options.onProblem(error)
      })
    },
  }

  const TAKES: Readonly<Record<string, (text: string, at: Position) => void>> = {
    otlpResource(text, at) {
      resource.attributes = otlpResource(parseJson(text, at))
    },
    otlpScope(text, at) {
      scope = otlpScope(parseJson(text, at))
    },
    jaegerProcesses(text, at) {
      const json = parseJson(text, at)
      if (!isObject(json)) return
      pipe.later(() => {
        for (const key of Object.keys(json)) processOf(key).attributes = jaegerProcess(json[key])
      })
    },
  }
  return createJsonScanner(visitor)
}

function known(resources: Map<string, Resource>, key: string, create: () => Resource): Resource {
  let resource = resources.get(key)
  if (resource === undefined) {
    resource = create()
    resources.set(key, resource)
  }
  return resource
}
