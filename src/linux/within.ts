// A wait that ends. What is waited for goes on by itself: whoever gives up on it says what becomes of it.

/** The promise's value, or `late` after the deadline. */
export function within<T>(deadlineMs: number, promise: Promise<T>): Promise<T | 'late'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve('late'), deadlineMs)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
