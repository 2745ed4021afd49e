// `walkaway __messenger`: what the service starts in a unit without rights to bring a letter out (notify/messenger.ts).
import { text } from 'node:stream/consumers'
import { carry } from '../notify/messenger.ts'
import type { Output } from './words.ts'

export async function runMessenger(stdin: NodeJS.ReadableStream, stdout: Output): Promise<void> {
  stdout.write(await carry(await text(stdin)))
}
