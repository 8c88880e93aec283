/** Where the time of an analysis went, ms. Added to, never set. */
export type AnalysisTimings = {
  assembleMs: number
  criticalPathMs: number
  whatIfMs: number
  findingsMs: number
}

/** Charges the time since the last lap to a phase. */
export type Lap = (phase: keyof AnalysisTimings) => void

/** Without timings to keep, laps cost nothing worth measuring. */
export function createLaps(timings: AnalysisTimings | undefined): Lap {
  if (timings === undefined) return noLap
  let last = performance.now()
  return (phase) => {
    const now = performance.now()
    timings[phase] += now - last
    last = now
  }
}

function noLap(): void {}
