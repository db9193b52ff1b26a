/** A worker that says to the primary what a test tells it to, and tells the test what it hears. */
import type { Message } from '../../../src/cli/workers/line.js';

/** What a test sends beside the primary's own messages. */
export type Order = { readonly say: Message } | { readonly leave: true };
/** What goes back to the test. The primary knows none of it, and passes it over. */
export type Told = { readonly born: true } | { readonly heard: Message };

const tell = (told: Told): void => void process.send?.(told);

process.on('message', (message: Message | Order) => {
  if ('say' in message) process.send?.(message.say);
  else if ('leave' in message || message.is === 'stop') process.disconnect();
  else tell({ heard: message });
});
tell({ born: true });
