import { useEffect, useRef } from 'preact/hooks'
import Chart from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { duration } from '../trace/figure-text.ts'
import { Shown, useAnswer } from './answer.tsx'
import type { TimelinePoint } from './api.ts'

type Props = { asked: Readonly<Record<string, string | undefined>> }

/** p50 and p95, and the p95 that the leader of each step would leave. */
export function Timeline({ asked }: Props) {
  const answer = useAnswer<{ timeline: TimelinePoint[] }>('timeline', asked)
  return <Shown of={answer}>{({ timeline }) => <Lines points={timeline} />}</Shown>
}

const HEIGHT = 220

function Lines({ points }: { points: readonly TimelinePoint[] }) {
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const colour = (name: string) => getComputedStyle(element).getPropertyValue(name)
    const axis = {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--line') },
      ticks: { stroke: colour('--line') },
    }
    const line = (label: string, name: string, dash: number[] = []) => ({
      label,
      stroke: colour(name),
      width: 1.5,
      dash,
      points: { show: points.length < 40 },
      value: (_: Chart, ns: number | null) => (ns === null ? '' : duration(ns)),
    })
    const chart = new Chart(
      {
        width: element.clientWidth,
        height: HEIGHT,
        series: [
          {},
          line('p95', '--text'),
          line('p95 without the leader', '--left', [6, 4]),
          line('p50', '--quiet'),
        ],
        axes: [axis, { ...axis, size: 80, values: (_, ticks) => ticks.map(duration) }],
        scales: { y: { range: (_, __, most) => [0, most * 1.05] } },
      },
      [
        points.map(({ from }) => Date.parse(from) / 1000),
        points.map(({ observed }) => observed.p95Ns),
        points.map(({ leader }) => leader?.p95Ns ?? null),
        points.map(({ observed }) => observed.p50Ns),
      ],
      element,
    )
    const resized = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      chart.destroy()
    }
  }, [points])
  return <div class="chart" ref={place} />
}
