'use strict';

// Messages with receipts and a handler over a broker that is killed again and again: `outage.js [COUNT [KILLS]]`. Every
// message that has a receipt is handled, and every handled message is acknowledged.

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const { Client } = require('stargate');
const { MockBroker } = require('stargate/testing');

async function survive(count, kills) {
  const mock = new MockBroker();
  const client = new Client(mock.url, { backoffMin: 10, backoffMax: 100 });
  const handled = new Map();
  await client.consume(
    'orders',
    'billing',
    async (message) => {
      handled.set(message.text(), (handled.get(message.text()) ?? 0) + 1);
    },
    { subscriptionType: 'shared', processors: 8 },
  );
  const producer = await client.producer('orders', { maxPendingMsg: 100 });
  let sent = 0;
  function* orders() {
    while (sent < count) yield `order-${sent++}`;
  }
  const sending = producer.sendMany(orders());
  for (let kill = 1; kill <= kills; kill++) {
    const share = (count * kill) / (kills + 1);
    while (sent < share) await sleep(1);
    mock.down();
    await sleep(100);
    mock.up();
  }
  const ends = await sending;
  assert.deepEqual(ends.filter(({ status }) => status === 'rejected'), []);
  const end = Date.now() + 60_000;
  while ((handled.size < count || mock.backlog('orders', 'billing') > 0) && Date.now() < end) await sleep(10);
  assert.equal(handled.size, count);
  assert.equal(mock.backlog('orders', 'billing'), 0);
  const { reconnects } = client.stats();
  await client.close();
  mock.close();
  const calls = [...handled.values()].reduce((sum, number) => sum + number, 0);
  return { reconnects, again: calls - count };
}

if (require.main === module) {
  const [count = 10_000, kills = 5] = process.argv.slice(2).map(Number);
  survive(count, kills).then(({ reconnects, again }) => {
    console.log(`${count} messages over ${kills} kills: all stored and handled, ${again} more than once, ${reconnects} reconnects`);
  });
}

module.exports = { survive };
