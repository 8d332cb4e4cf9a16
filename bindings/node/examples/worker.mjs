// A worker: handles orders until a signal stops it, and finishes those that it already has: `node worker.mjs [URL]`.

import { fileURLToPath } from 'node:url';
import { Client } from 'stargate';

/** Bills the orders of a topic until the signal is aborted. */
export async function work(url, { signal, log = console.log } = {}) {
  const client = new Client(url, { onState: ({ state, topic, error }) => log(`${topic}: ${state} ${error?.message ?? ''}`) });
  const bills = await client.producer('bills');
  const options = { subscriptionType: 'shared', processors: 8, ordering: 'key', negativeAckDelay: 1000 };
  const orders = await client.consume(
    'orders',
    'billing',
    async (message) => {
      const { pizza, price } = message.json();
      await bills.send(JSON.stringify({ pizza, due: price }), { key: message.key });
    },
    {
      ...options,
      // A message that is not JSON never becomes valid; everything else is tried again.
      onError: (error) => (error instanceof SyntaxError ? 'ack' : 'nack'),
    },
  );
  await orders.wait({ signal }).catch((error) => {
    if (!signal?.aborted) throw error;
  });
  await client.close({ timeout: 30_000 });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort());
  await work(process.argv[2] ?? 'ws://localhost:8080', { signal: stop.signal });
}
