/**
 * Memory for columns of which every element is written before it is read. Clearing large ones takes as long as filling
 * them, and drives what is needed out of the processor's caches.
 */
export function uncleared(bytes: number): ArrayBuffer {
  return Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer
}
