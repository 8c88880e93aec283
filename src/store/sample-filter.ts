/** Which samples: a range of epoch ms, and '*' where nothing is asked for. */
export type SampleFilter = {
  fromMs: number
  toMs: number
  environment: string
  namespace: string
  service: string
  operation: string
  scope: string
  /** service.version. */
  version: string
}
