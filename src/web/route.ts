import { useEffect, useState } from 'preact/hooks'

/** What the page shows is in its address, so that it can be sent to somebody: `#/endpoint?service=a&from=now-1h`. */
export type Route = { view: string; query: Readonly<Record<string, string>> }

export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?')
  return { view: path === '' ? 'endpoints' : path, query: Object.fromEntries(new URLSearchParams(search)) }
}

export function linkTo(view: string, query: Readonly<Record<string, string | undefined>>): string {
  const parameters = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1])
  return `#/${view}?${new URLSearchParams(parameters)}`
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash))
  useEffect(() => {
    const follow = () => setRoute(parseRoute(location.hash))
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return route
}

/** What every view asks with. */
export const RANGE = ['from', 'to', 'environment', 'namespace', 'version', 'target'] as const

export function rangeOf({ query }: Route): Record<string, string> {
  return Object.fromEntries(RANGE.flatMap((name) => (query[name] ? [[name, query[name]]] : [])))
}
