// Compiled by the tests, and not run: what TypeScript has to accept, and to refuse.

import { Client, Consumer, InvalidArgumentError, MessageId, StargateError, Supervisor } from 'stargate';
import type { ConsumerOptions, Handler, Message, Outcome, StateChange } from 'stargate';
import { MockBroker } from 'stargate/testing';

export async function main(): Promise<void> {
  using mock = new MockBroker({ token: 'secret' });
  await using client = new Client(mock.url, { authToken: 'secret', onState: (change: StateChange) => change.state });
  await using producer = await client.producer('orders', { maxPendingMsg: 10, initialSeqId: -1n, timeout: 100 });
  const id: MessageId | null = await producer.send('one pizza', { key: 'anna', eventTime: new Date() });
  await producer.sendMany(['a', Buffer.from('b'), { payload: new Uint8Array(3), key: 'c' }]);

  const options: ConsumerOptions = { subscriptionType: 'key_shared', ordering: 'key', processors: 4 };
  const consumer: Consumer = await client.consumer(['orders', 'returns'], 'billing', options);
  for await (const message of consumer) {
    const data: Buffer = message.data;
    const key: string | null = message.key;
    consumer.ack(message);
    if (data.length === 0 || key === null) break;
  }
  for await (const message of consumer.messages({ signal: AbortSignal.timeout(10) })) consumer.ack(message);
  const handler: Handler = async (message: Message): Promise<Outcome> =>
    message.redeliveryCount > 3 ? { reconsumeLater: 1000 } : 'nack';
  await client.consume('orders', 'audit', handler, { onError: (_error, message) => (message.key ? 'ack' : undefined) });
  await client.consume({ pattern: 'persistent://public/default/.*' }, 'audit', () => {});
  const reader = await client.reader('orders', { startingMessage: id ?? 'earliest' });
  for await (const message of reader.untilCaughtUp({ signal: AbortSignal.timeout(10) })) message.json();
  const sent: number = producer.stats().sent;
  if (sent > 0) throw new InvalidArgumentError('never');
}

export async function supervised(): Promise<MessageId | null> {
  await using shop: Supervisor = await Supervisor.start({
    host: ['one:8080', 'two:8080'],
    maxRestarts: 5,
    producer: { topic: 'orders', sendTimeout: 5000 },
    consumer: [{ topic: 'orders', subscription: 'billing', handler: (message) => (message.key ? 'ack' : 'nack') }],
  });
  // @ts-expect-error: a consumer has a subscription
  await shop.addConsumer({ topic: 'orders' });
  return Supervisor.find('default').producer('orders').send('one pizza');
}

export function told(error: unknown): string | null {
  if (!(error instanceof StargateError)) return null;
  return error.kind === 'not_found' ? error.brokerText : error.code;
}

export async function refused(client: Client): Promise<void> {
  // @ts-expect-error: no such option
  await client.producer('orders', { maxPendingMgs: 5 });
  // @ts-expect-error: no such choice
  await client.consumer('orders', 'billing', { subscriptionType: 'shred' });
  // @ts-expect-error: an option of consumers
  await client.producer('orders', { queueSize: 5 });
  const producer = await client.producer('orders');
  // @ts-expect-error: a number is no payload
  await producer.send(5);
  // @ts-expect-error: no outcome
  const handler: Handler = () => 'fine';
  // @ts-expect-error: opened by a client
  new Consumer(handler);
}
