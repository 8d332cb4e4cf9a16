'use strict';

// Opens, sends, receives and closes again and again, then sends and receives many messages on one client, and says how
// memory and descriptors grew: `leaks.js [CYCLES [MESSAGES]]`. The first half is not counted: memory that was used once is kept.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { Client } = require('stargate');
const { withMock } = require('./mock.js');

// Run with --expose-gc, or garbage counts too.
async function collected() {
  for (let round = 0; round < 5; round++) {
    global.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 10)); // for finalizers
  }
  return { memory: process.memoryUsage.rss(), descriptors: fs.readdirSync('/proc/self/fd').length };
}

async function cycle(url) {
  const client = new Client(url, { onState() {} });
  const consumer = await client.consumer('orders', 'billing', { subscriptionType: 'shared' });
  const producer = await client.producer('orders');
  await producer.send('order');
  consumer.ack(await consumer.receive());
  await assert.rejects(client.reader('a//b'));
  await consumer.receive({ signal: AbortSignal.timeout(0) }).catch(() => {});
  await client.close();
}

async function cycles(count) {
  return withMock(async (url) => {
    let begun;
    for (let number = 0; number < count; number++) {
      if (number === Math.floor(count / 2)) begun = await collected();
      await cycle(url);
    }
    return grown(begun, await collected());
  });
}

async function messages(count) {
  return withMock(async (url) => {
    const client = new Client(url);
    const producer = await client.producer('orders');
    const consumer = await client.consumer('orders', 'billing', { subscriptionType: 'shared' });
    const payload = Buffer.alloc(100);
    let begun;
    for (let number = 0; number < count; number += 1000) {
      if (number >= count / 2) begun ??= await collected();
      const sends = Array.from({ length: 1000 }, () => producer.send(payload, { properties: { a: 'b' } }));
      for (let left = 1000; left > 0; left--) {
        const message = await consumer.receive();
        // The handle of one in ten is left to the garbage collector.
        consumer.ack(left % 10 ? message : message.id);
      }
      await Promise.all(sends);
    }
    const ended = await collected();
    await client.close();
    return grown(begun, ended);
  });
}

function grown(begun, ended) {
  return { memory: ended.memory - begun.memory, descriptors: ended.descriptors - begun.descriptors };
}

if (require.main === module) {
  const [opened = 10_000, sent = 1_000_000] = process.argv.slice(2).map(Number);
  (async () => {
    const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(1);
    const a = await cycles(opened);
    console.log(`${opened} cycles: ${mebibytes(a.memory)} MiB, ${a.descriptors} descriptors more`);
    const b = await messages(sent);
    console.log(`${sent} messages: ${mebibytes(b.memory)} MiB, ${b.descriptors} descriptors more`);
  })();
}

module.exports = { cycles, messages };
