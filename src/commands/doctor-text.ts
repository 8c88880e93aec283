import type { Diagnosis } from '../analysis/doctor.ts'
import { textOf } from '../analysis/doctor-checks.ts'
import { fitted, printable } from './report-text.ts'
import { wrapped } from './wrap.ts'

const WIDTH = 80
const INDENT = 6
const MARKS = { ok: 'ok', warn: 'WARN', bad: 'BAD' } as const
const SUMMARY = {
  ok: 'the input is good',
  warn: 'answers are less exact than they could be',
  bad: 'some answers will be wrong',
} as const

/** The diagnosis for a terminal, 80 columns wide. */
export function doctorText({ spans, traces, grade, checks }: Diagnosis): string {
  if (spans === 0) return 'no spans\n'
  const some = (n: number, unit: string) => `${n.toLocaleString('en')} ${unit}${n === 1 ? '' : 's'}`
  const lines = [`${some(spans, 'span')} of ${some(traces, 'trace')}: ${SUMMARY[grade]}`, '']
  for (const check of checks) {
    lines.push(...wrapped(printable(check.found), MARKS[check.grade].padEnd(INDENT), INDENT))
    for (const { name, value } of check.where) {
      const text = textOf(value, check.unit)
      lines.push(
        `${' '.repeat(INDENT)}  ${fitted(printable(name), WIDTH - INDENT - 4 - text.length)}  ${text}`,
      )
    }
    if (check.fix !== '') lines.push(...wrapped(printable(`-> ${check.fix}`), ' '.repeat(INDENT), INDENT))
  }
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}
