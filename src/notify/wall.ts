// A line on every terminal, with its bell: for servers without anything else. wall(1) makes the rest of it harmless.

import { messageOf, NotDelivered } from '../errors.ts'
import { oneLine } from '../linux/oneLine.ts'
import type { Run } from '../linux/run.ts'
import type { Send } from './channel.ts'
import { bodyAt } from './notice.ts'

export function createWall(run: Run, now: () => Date): Send {
  return async (notice, signal) => {
    const lines = [notice.title, '', ...bodyAt(notice, now()).split('\n')].map(oneLine)
    try {
      await run('wall', [], { input: `${lines.join('\n')}\n`, signal, deadlineMs: 20_000 })
    } catch (error) {
      throw new NotDelivered('unreachable', messageOf(error), { cause: error })
    }
  }
}
