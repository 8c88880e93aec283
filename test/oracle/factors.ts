/** A factor a component, the same for the same seed: exact in binary, so that sums come out the same in any order. */
export function factorsFrom(seed: number): (component: string) => number {
  return (component) => {
    let hash = seed
    for (const letter of component) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x9e3779b1)
    return [0, 0.25, 0.5, 1, 2][(hash >>> 8) % 5]!
  }
}
