import type { Pattern } from './pattern.ts'
import { chattyService } from './patterns/chatty-service.ts'
import { coldStart } from './patterns/cold-start.ts'
import { concurrencyCeiling } from './patterns/concurrency-ceiling.ts'
import { everywhere } from './patterns/everywhere.ts'
import { failureCascade } from './patterns/failure-cascade.ts'
import { largePayload } from './patterns/large-payload.ts'
import { largeResult } from './patterns/large-result.ts'
import { lockSuspect } from './patterns/lock-suspect.ts'
import { longTransaction } from './patterns/long-transaction.ts'
import { manyDependencies } from './patterns/many-dependencies.ts'
import { nPlusOne } from './patterns/n-plus-one.ts'
import { nearTimeLimit } from './patterns/near-time-limit.ts'
import { ownWork } from './patterns/own-work.ts'
import { poolWait } from './patterns/pool-wait.ts'
import { queueBacklog } from './patterns/queue-backlog.ts'
import { repeatedQuery } from './patterns/repeated-query.ts'
import { retries } from './patterns/retries.ts'
import { sequentialCalls } from './patterns/sequential-calls.ts'
import { sharedDatabase } from './patterns/shared-database.ts'
import { slowInstance } from './patterns/slow-instance.ts'
import { slowQuery } from './patterns/slow-query.ts'
import { starvedStart } from './patterns/starved-start.ts'
import { syncCycle } from './patterns/sync-cycle.ts'
import { throttling } from './patterns/throttling.ts'
import { timeouts } from './patterns/timeouts.ts'
import { trailingWork } from './patterns/trailing-work.ts'
import { transitShare } from './patterns/transit-share.ts'
import { unevenLoad } from './patterns/uneven-load.ts'

/** All patterns. The API, its documentation and reports go by this list. */
export const PATTERNS: readonly Pattern[] = [
  nPlusOne,
  slowQuery,
  lockSuspect,
  repeatedQuery,
  sequentialCalls,
  chattyService,
  retries,
  ownWork,
  starvedStart,
  slowInstance,
  unevenLoad,
  failureCascade,
  timeouts,
  largePayload,
  transitShare,
  coldStart,
  nearTimeLimit,
  longTransaction,
  poolWait,
  largeResult,
  manyDependencies,
  throttling,
  trailingWork,
  sharedDatabase,
  syncCycle,
  concurrencyCeiling,
  queueBacklog,
  everywhere,
]
