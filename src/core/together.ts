// Several things at the same time.

/**
 * Waits for all of them, also when one fails, so that nothing goes on behind the back of who asked; then throws the first
 * failure.
 */
export async function together<T extends readonly unknown[]>(
  work: readonly [...{ readonly [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  await Promise.allSettled(work)
  return (await Promise.all(work)) as unknown as T
}
