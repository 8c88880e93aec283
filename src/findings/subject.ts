import type { Component, ComponentKind } from '../trace/component.ts'
import { createPairTable } from './pair-table.ts'

/** What a finding is about, besides its endpoint: the component it explains, and where in the code. */
export type Subject = {
  component: Component
  /** Whose code it is. */
  service: string
  /** The operation of that service which does it: the nearest SERVER, CONSUMER or entry span's. */
  caller: string
  /** The calls or the operation meant. */
  operation: string
}

const SEPARATOR = '\x1f'

function subjectKeyOf({ component, service, caller, operation }: Subject): string {
  return [component.kind, component.name, service, caller, operation].join(SEPARATOR)
}

export function subjectOfKey(key: string): Subject {
  const [kind = '', name = '', service = '', caller = '', operation = ''] = key.split(SEPARATOR)
  return { component: { kind: kind as ComponentKind, name }, service, caller, operation }
}

/** Subjects numbered; their keys are made once. */
export type Subjects = {
  readonly keys: string[]
  numberOf(subject: Subject): number
}

export function createSubjects(): Subjects {
  const keys: string[] = []
  const texts = new Map<string, number>()
  const components = createPairTable()
  const codes = createPairTable()
  const places = createPairTable()
  const numbers = createPairTable()
  let pairs = 0

  return {
    keys,
    numberOf(subject) {
      const { component, service, caller, operation } = subject
      const of = joined(components, textOf(component.kind), textOf(component.name))
      const code = joined(codes, textOf(service), textOf(caller))
      const place = joined(places, code, textOf(operation))
      let number = numbers.get(of, place)
      if (number < 0) {
        number = keys.push(subjectKeyOf(subject)) - 1
        numbers.set(of, place, number)
      }
      return number
    },
  }

  function textOf(text: string): number {
    let number = texts.get(text)
    if (number === undefined) {
      number = texts.size
      texts.set(text, number)
    }
    return number
  }

  function joined(table: typeof numbers, a: number, b: number): number {
    let number = table.get(a, b)
    if (number < 0) {
      number = pairs++
      table.set(a, b, number)
    }
    return number
  }
}
