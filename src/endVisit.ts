// Why a visit is told to end before it is done: the reason of its abort signal.

const whyEnded = {
  'device-gone': 'the disk was removed',
  stopping: 'walkaway is stopping',
  ejected: 'it was ended early by `walkaway eject`',
} as const
type WhyEnded = keyof typeof whyEnded

/** The reason of a visit's abort signal. */
export class EndVisit extends Error {
  readonly because: WhyEnded
  constructor(because: WhyEnded) {
    super(whyEnded[because])
    this.name = 'EndVisit'
    this.because = because
  }
}

/** The service stops, or its signal does not say why. */
export const isStopping = ({ aborted, reason }: AbortSignal): boolean =>
  aborted && !(reason instanceof EndVisit && reason.because !== 'stopping')

/** A person asked for the disk. */
export const isEjected = ({ reason }: AbortSignal): boolean =>
  reason instanceof EndVisit && reason.because === 'ejected'
