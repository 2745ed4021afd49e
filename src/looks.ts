// When the machine is looked at: soon, and regularly. What a look does is daemon.ts.

export interface Looks {
  /** Asks for a look no later than this; an earlier one that was asked for already stands. */
  soon(inMs: number): void
  every(ms: number): void
  end(): void
}

/** One look at a time; whatever asks for one meanwhile gets one after it. */
export function createLooks(look: () => Promise<void>, onFailure: (error: unknown) => void): Looks {
  let timer: NodeJS.Timeout | null = null
  let dueAt = Number.POSITIVE_INFINITY
  let period: NodeJS.Timeout | null = null
  let looking = false
  let ended = false

  const run = async (): Promise<void> => {
    timer = null
    dueAt = Number.POSITIVE_INFINITY
    looking = true
    try {
      await look()
    } catch (error) {
      onFailure(error)
    }
    looking = false
    if (Number.isFinite(dueAt)) arm()
  }
  const arm = (): void => {
    if (ended) return
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(() => void run(), Math.max(0, dueAt - performance.now()))
  }
  return {
    soon(inMs) {
      const at = performance.now() + inMs
      if (at >= dueAt) return
      dueAt = at
      if (!looking) arm()
    },
    every(ms) {
      period = setInterval(() => this.soon(0), ms)
    },
    end() {
      ended = true
      if (timer !== null) clearTimeout(timer)
      if (period !== null) clearInterval(period)
    },
  }
}
