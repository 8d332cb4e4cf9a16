// The main job: sends orders, and receives them, with a receipt for each: `node orders.mjs [URL]`.

import { Client } from 'stargate';

const client = new Client(process.argv[2] ?? 'ws://localhost:8080');
const consumer = await client.consumer('orders', 'kitchen', { subscriptionType: 'shared' });
const producer = await client.producer('orders');

const orders = [
  { payload: JSON.stringify({ pizza: 'margherita' }), key: 'anna' },
  { payload: JSON.stringify({ pizza: 'funghi' }), key: 'ben', properties: { table: '7' } },
];
for (const { status, value, reason } of await producer.sendMany(orders)) {
  console.log(status === 'fulfilled' ? `stored: ${value}` : `not stored: ${reason.message}`);
}

for (const message of await consumer.receiveMany(orders.length, { timeout: 10_000 })) {
  console.log(`${message.key}: ${message.json().pizza}, published ${message.publishTime.toISOString()}`);
  consumer.ack(message);
}
await client.close();
