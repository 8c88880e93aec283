/** What is used of these libraries; neither brings types. */
declare module 'd3-flame-graph' {
  type Node<T> = { data: T; value: number }
  type Chart<T> = {
    (selection: unknown): void
    width(px: number): Chart<T>
    cellHeight(px: number): Chart<T>
    minFrameSize(px: number): Chart<T>
    inverted(is: boolean): Chart<T>
    sort(is: boolean): Chart<T>
    transitionDuration(ms: number): Chart<T>
    getValue(read: (frame: T) => number): Chart<T>
    setLabelHandler(label: (node: Node<T>) => string): Chart<T>
    setColorMapper(colourOf: (node: Node<T>, original: string) => string): Chart<T>
    destroy(): void
  }
  export default function flamegraph<T>(): Chart<T>
}

declare module 'd3-selection' {
  export function select(element: Element): { datum(value: unknown): { call(chart: unknown): void } }
}
