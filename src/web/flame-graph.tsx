import flamegraph from 'd3-flame-graph'
import { select } from 'd3-selection'
import { useEffect, useRef } from 'preact/hooks'
import { duration, percent } from '../trace/figure-text.ts'
import { Shown, useAnswer } from './answer.tsx'
import type { Frame } from './api.ts'

type Asked = Readonly<Record<string, string | undefined>>

/** Critical-path time of all requests by call stack; a click goes into a frame. */
export function FlameGraph({ asked }: { asked: Asked }) {
  const answer = useAnswer<{ roots: Frame[]; totalNs: number }>('flamegraph', asked)
  return (
    <Shown of={answer}>
      {({ roots, totalNs }) => <Flames root={{ name: 'all requests', totalNs, children: roots }} />}
    </Shown>
  )
}

function Flames({ root }: { root: Frame }) {
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const chart = flamegraph<Frame>()
      .width(element.clientWidth)
      .cellHeight(20)
      .minFrameSize(2)
      .inverted(true)
      .sort(true)
      .transitionDuration(0)
      .getValue(({ totalNs }) => totalNs)
      .setLabelHandler(
        ({ data: { name, totalNs } }) => `${name}: ${percent(totalNs / root.totalNs)}, ${duration(totalNs)}`,
      )
      .setColorMapper(({ data }) => colourOf(element, data.name))
    select(element).datum(root).call(chart)
    return () => chart.destroy()
  }, [root])
  return <div class="flames" ref={place} />
}

/** By the kind of the component, the first word of a frame. */
function colourOf(element: Element, name: string): string {
  const [kind = ''] = name.split(' ')
  return getComputedStyle(element).getPropertyValue(`--${kind === 'transit' ? 'network' : kind}`) || '#bbb'
}
