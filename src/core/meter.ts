// How far a visit is: bytes of all its streams together, their speed, and when it will be ready. Pure but for the
// numbers it is fed; the clock is a parameter.

export interface Stream {
  /** Total bytes of this stream so far. */
  advance(sentBytes: number): void
  /** What it came to in the end. */
  end(sentBytes: number): void
}

export interface MeterReading {
  readonly sentBytes: number
  /** ZFS's estimate of all, and never less than what was sent. */
  readonly totalBytes: number
  readonly bytesPerSecond: number
  readonly readyAt: Date | null
}

export interface Meter {
  begin(): Stream
  sentBytes(): number
  read(now: Date): MeterReading
}

/** The speed of the first seconds is that of starting, not of sending: no promise before this, */
const shortestSeconds = 10
/** nor before a hundredth was sent, unless it has taken this long. */
const slowStartSeconds = 300
/** A stream that stalls promises nothing: nobody is told of a year from now. */
const longestMs = 365 * 24 * 3_600_000

/** Measures from `startedAt` on against an estimate in bytes. */
export function createMeter(estimatedBytes: number, startedAt: Date): Meter {
  let endedBytes = 0
  const running = new Map<Stream, number>()
  const sentBytes = (): number => [...running.values()].reduce((sum, bytes) => sum + bytes, endedBytes)
  return {
    begin() {
      const stream: Stream = {
        // A word that comes after the end is late, not more.
        advance: (bytes) => {
          if (running.has(stream)) running.set(stream, bytes)
        },
        end: (bytes) => {
          if (running.delete(stream)) endedBytes += bytes
        },
      }
      running.set(stream, 0)
      return stream
    },
    sentBytes,
    read(now) {
      const sent = sentBytes()
      const totalBytes = Math.max(estimatedBytes, sent)
      const seconds = (now.getTime() - startedAt.getTime()) / 1000
      const bytesPerSecond = seconds > 0 ? sent / seconds : 0
      const leftMs = ((totalBytes - sent) / bytesPerSecond) * 1000
      const known =
        seconds >= shortestSeconds && (sent * 100 >= totalBytes || seconds >= slowStartSeconds) && sent > 0
      const readyAt = known && leftMs < longestMs ? new Date(now.getTime() + leftMs) : null
      return { sentBytes: sent, totalBytes, bytesPerSecond: Math.round(bytesPerSecond), readyAt }
    },
  }
}
