import { type Profiler, Session } from 'node:inspector'

/** Phases of the analyzer's cycle by the file that a function is in; of nested ones the innermost counts. */
const PHASES: readonly [phase: string, files: RegExp][] = [
  ['findings', /\/src\/(findings\/|store\/finding-columns)/],
  ['rollup', /\/src\/(analyzer\/rollups|analysis\/rollup|store\/rollup)/],
  ['write', /\/src\/store\/(results|samples-block|sample-order|column-lists|component-columns|node-columns)/],
  ['learn', /\/src\/(analysis\/learn|analyzer\/dependency-models)\.ts/],
  ['apply model', /\/src\/analysis\/dependencies\.ts/],
  ['path', /\/src\/analysis\/(critical-path|call-tree|sample)\.ts/],
  ['replay', /\/src\/analysis\/(measure|replay)\.ts/],
  ['assemble', /\/src\/analysis\/assemble\.ts/],
  ['read', /\/src\/(store\/(lean-spans|analyzer-store|native)|analyzer\/(reads|rows|waiting))\.ts/],
]
const GARBAGE = 'garbage collection'
const OTHER = 'other'
/** Microseconds between samples. */
const INTERVAL = 500

/** Runs something; gives the milliseconds that this thread was busy in each phase. */
export async function phasesOf(run: () => Promise<void>): Promise<Map<string, number>> {
  const session = new Session()
  session.connect()
  const post = (method: string, params?: object) =>
    new Promise<unknown>((resolve, reject) =>
      session.post(method, params, (error, answer) => (error ? reject(error) : resolve(answer))),
    )
  await post('Profiler.enable')
  await post('Profiler.setSamplingInterval', { interval: INTERVAL })
  await post('Profiler.start')
  await run()
  const { profile } = (await post('Profiler.stop')) as { profile: Profiler.Profile }
  session.disconnect()
  return shareOut(profile)
}

function shareOut({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const caller = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])))
  const phases = new Map<number, string>()
  const phaseOf = (id: number): string => {
    let phase = phases.get(id)
    if (phase === undefined) {
      const { functionName, url } = byId.get(id)!.callFrame
      const above = caller.get(id)
      phase =
        functionName === '(garbage collector)'
          ? GARBAGE
          : (PHASES.find(([, files]) => files.test(url))?.[0] ??
            (above === undefined ? OTHER : phaseOf(above)))
      phases.set(id, phase)
    }
    return phase
  }
  const ms = new Map<string, number>(
    [...PHASES.map(([phase]) => phase), GARBAGE, OTHER].map((phase) => [phase, 0]),
  )
  samples.forEach((id, i) => {
    if (byId.get(id)!.callFrame.functionName === '(idle)') return
    const phase = phaseOf(id)
    ms.set(phase, ms.get(phase)! + timeDeltas[i]! / 1000)
  })
  return ms
}
