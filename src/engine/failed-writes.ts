import type { Session } from 'chdb'
import { RefusedStatement } from './refused.ts'

/** Whatever the session's settings are. */
const FAILED = `SELECT value FROM system.events WHERE event = 'WriteBufferFromFileDescriptorWriteFailed'
  SETTINGS limit = 0, offset = 0, final = 0`

/**
 * Whether a write to a file has failed since the engine was started, in whatever thread. It counts that, and goes on as if the
 * bytes were written (26.7, as `chdb` has it): the insert returns, the merge takes the place of what it read.
 */
export async function hasFailedWrites(session: Session): Promise<boolean> {
  const answer = await session.queryAsync(FAILED, { format: 'TabSeparated' })
  return Number(answer.text()) > 0
}

/** What a statement that writes is answered with instead of success. */
export function writesFailed(): RefusedStatement {
  return new RefusedStatement(
    'what was written may be incomplete: writes to files failed',
    243,
    'NOT_ENOUGH_SPACE',
  )
}
