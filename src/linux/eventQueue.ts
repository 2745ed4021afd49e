// Hands disk events from a callback to consumers that read at their own pace, in bounded memory: what does not fit
// becomes one `rescan`, because the scan is the truth and events only make it sooner.

import type { DiskEvent } from './udev.ts'

/** A burst beyond this many unread events is told as one `rescan`. */
const limit = 256

export interface EventQueue {
  /** Never throws and never waits, so that it can be called from a native callback. */
  push(event: DiskEvent): void
  /** Everything pushed from now on, until the consumer leaves its loop. */
  subscribe(): AsyncIterable<DiskEvent>
}

export const rescan = (at: number): DiskEvent => ({
  action: 'rescan',
  node: '',
  diskSeq: '',
  syspath: '',
  at,
})

export function createEventQueue(): EventQueue {
  const subscribers = new Set<Subscriber>()
  return {
    push: (event) => {
      for (const subscriber of subscribers) subscriber.push(event)
    },
    subscribe: () => {
      const subscriber = createSubscriber(() => subscribers.delete(subscriber))
      subscribers.add(subscriber)
      return { [Symbol.asyncIterator]: () => subscriber.iterator }
    },
  }
}

interface Subscriber {
  push(event: DiskEvent): void
  readonly iterator: AsyncIterator<DiskEvent>
}

function createSubscriber(unsubscribe: () => void): Subscriber {
  let unread: DiskEvent[] = []
  let ended = false
  const waiting: ((result: IteratorResult<DiskEvent>) => void)[] = []
  return {
    push: (event) => {
      const reader = waiting.shift()
      if (reader !== undefined) reader({ done: false, value: event })
      else if (unread.length < limit) unread.push(event)
      else unread = [rescan(event.at)]
    },
    iterator: {
      next: () => {
        const event = unread.shift()
        if (event !== undefined) return Promise.resolve({ done: false, value: event })
        if (ended) return Promise.resolve({ done: true, value: undefined })
        return new Promise((resolve) => waiting.push(resolve))
      },
      return: () => {
        ended = true
        unread = []
        unsubscribe()
        for (const reader of waiting.splice(0)) reader({ done: true, value: undefined })
        return Promise.resolve({ done: true, value: undefined })
      },
    },
  }
}
