'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const stargate = require('stargate');
const { start, until } = require('./broker.js');

test('a message arrives with everything that it was sent with', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders');
  const eventTime = new Date('2026-01-02T03:04:05.678Z');
  const id = await producer.send('one pizza', { key: 'ánna', properties: { size: 'l', note: '' }, eventTime });
  const [stored] = mock.messages('orders');
  assert.equal(stored.data.toString(), 'one pizza');
  assert.equal(stored.key, 'ánna');
  assert.deepEqual(stored.properties, { size: 'l', note: '' });
  assert.deepEqual(stored.eventTime, eventTime);
  assert.ok(id.equals(stored.id));
});

test('a payload is a string or any view of bytes', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders');
  const words = new Uint16Array([0x4241, 0x4443]);
  for (const payload of ['ABCD', Buffer.from('ABCD'), new Uint8Array(words.buffer), words, words.buffer, new DataView(words.buffer)]) {
    await producer.send(payload);
  }
  await producer.send('');
  assert.deepEqual(mock.messages('orders').map(({ data }) => data.toString()), [...new Array(6).fill('ABCD'), '']);
});

test('a mistake in a call names the argument, and sends nothing', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders');
  const mistakes = [
    [[42], /payload: expected a string, a Buffer or another view of bytes, got 42/],
    [[null], /payload: .* got null/],
    [['a', { key: 'a\0b' }], /key: it contains U\+0000/],
    [['a', { key: 7 }], /key: expected a string, got 7/],
    [['a', { properties: { a: 1 } }], /property a: expected a string, got 1/],
    [['a', { eventTime: 'noon' }], /eventTime: expected a Date/],
    [['a', { deliverAfter: -1 }], /deliverAfter: expected milliseconds/],
    [['a', { deliverAfter: 5, deliverAt: new Date() }], /deliver_at/],
    [['a', { disableReplication: true, replicationClusters: ['b'] }], /exclude each other/],
  ];
  for (const [values, message] of mistakes) {
    await assert.rejects(producer.send(...values), { name: 'InvalidArgumentError', kind: 'invalid_argument', message });
  }
  assert.equal(mock.count('send'), 0);
});

test('a message for chosen clusters', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders');
  const options = { key: 'k', properties: { a: 'b' }, disableReplication: true };
  const id = await producer.send('stays', options);
  const [stored] = mock.messages('orders');
  assert.ok(id.equals(stored.id));
  assert.deepEqual([stored.data.toString(), stored.key, stored.properties], ['stays', 'k', { a: 'b' }]);
});

test('more sends than there is room for keep their order', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 3 });
  const ids = await Promise.all(Array.from({ length: 200 }, (_, number) => producer.send(`${number}`)));
  assert.equal(ids.length, 200);
  assert.deepEqual(mock.messages('orders').map(({ data }) => data.toString()), ids.map((_, number) => `${number}`));
});

test('whenFull: fail refuses what there is no room for', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 2, whenFull: 'fail' });
  mock.fault('send', 'delay:300', { topic: 'orders' });
  const ends = await Promise.allSettled([1, 2, 3].map((number) => producer.send(`${number}`)));
  assert.deepEqual(ends.map(({ reason }) => reason?.kind), [undefined, undefined, 'queue_full']);
});

test('what waits for room fails when its time is over', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 1, sendTimeout: 300 });
  mock.fault('send', 'no-receipt', { topic: 'orders', count: Infinity });
  const ends = await Promise.allSettled([1, 2, 3].map((number) => producer.send(`${number}`)));
  assert.deepEqual(ends.map(({ reason }) => reason.kind), ['timeout', 'timeout', 'timeout']);
});

test('sendMany sends in order and reports each', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 5 });
  async function* orders() {
    for (let number = 0; number < 50; number++) yield number % 2 ? `${number}` : { payload: `${number}`, key: 'even' };
  }
  const ends = await producer.sendMany(orders());
  assert.ok(ends.every(({ status }) => status === 'fulfilled'));
  assert.deepEqual(mock.messages('orders').map(({ data }) => Number(data)), ends.map((_, number) => number));
  assert.equal(mock.messages('orders')[2].key, 'even');

  mock.fault('send', 'send-error:8:no room', { topic: 'orders' });
  const [first, second] = await producer.sendMany(['a', 'b']);
  assert.equal(first.reason.kind, 'broker');
  assert.equal(first.reason.brokerText, 'no room');
  assert.equal(second.status, 'fulfilled');
});

test('an aborted send that waits for room is not made', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 1 });
  mock.fault('send', 'delay:200', { topic: 'orders' });
  const first = producer.send('first');
  const abort = new AbortController();
  const second = producer.send('second', { signal: abort.signal });
  const third = producer.send('third');
  abort.abort();
  await assert.rejects(second, { name: 'AbortError' });
  await Promise.all([first, third]);
  assert.deepEqual(mock.messages('orders').map(({ data }) => data.toString()), ['first', 'third']);
  await assert.rejects(producer.send('never', { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('close waits for what was sent, also for what waits for room', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 2 });
  const sends = Array.from({ length: 20 }, (_, number) => producer.send(`${number}`));
  await producer.close();
  assert.equal((await Promise.all(sends)).length, 20);
  assert.equal(mock.messages('orders').length, 20);
  await assert.rejects(producer.send('late'), { name: 'ClosedError', topic: producer.topic });
});

test('a close of the client waits for it too, and a send after that is refused', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 2 });
  const sends = Array.from({ length: 20 }, (_, number) => producer.send(`${number}`));
  await client.close();
  assert.equal((await Promise.all(sends)).length, 20);
  assert.equal(mock.messages('orders').length, 20);
  await assert.rejects(producer.send('late'), { kind: 'closed', message: /the client is closed/ });
  await producer.flush();
  await producer.close();
  assert.equal(producer.isConnected, false);
  assert.throws(() => producer.stats(), { kind: 'closed' });
});

test('a close whose time is over gives up what is in flight and what waits', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 1 });
  mock.fault('send', 'no-receipt', { topic: 'orders', count: Infinity });
  const sends = Promise.allSettled([producer.send('in flight'), producer.send('waits')]);
  await until(() => mock.count('send', { topic: 'orders' }) === 1);
  await assert.rejects(producer.close({ timeout: 50 }), { name: 'TimeoutError' });
  assert.deepEqual((await sends).map(({ reason }) => reason.kind), ['outcome_unknown', 'closed']);
  await producer.close();
});

test('flush and ready', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('orders', { maxPendingMsg: 10 });
  const sends = Array.from({ length: 30 }, (_, number) => producer.send(`${number}`));
  await producer.ready();
  await producer.flush({ timeout: 5000 });
  assert.equal(mock.messages('orders').length, 30);
  await Promise.all(sends);
  assert.equal(producer.stats().receipts, 30);
  assert.equal(producer.topic, 'persistent://public/default/orders');
  assert.equal(producer.isConnected, true);
});

test('a duplicate has no id', async (t) => {
  const { mock, client } = start(t);
  mock.setDeduplication('public/default');
  const producer = await client.producer('orders', { name: 'till', effectivelyOnce: true });
  assert.ok((await producer.send('a')) instanceof stargate.MessageId);
  await producer.close();
  const again = await client.producer('orders', { name: 'till', initialSeqId: -1n });
  assert.equal(await again.send('a'), null);
});

test('produce sends over a connection of its own', async (t) => {
  const { mock } = start(t);
  const url = `${mock.url}/ws/v2/producer/persistent/public/default/orders`;
  mock.fault('send', 'send-error:8:no room', { topic: 'orders' });
  const [first, second] = await stargate.produce(url, ['a', { payload: 'b', key: 'k' }], { timeout: 5000 });
  assert.equal(first.reason.brokerText, 'no room');
  assert.ok(second.value.equals(mock.messages('orders')[0].id));
  await until(() => mock.connections === 0);
  assert.deepEqual(await stargate.produce(url, []), []);
  const missing = url.replace('public/default', 'no/where');
  await assert.rejects(stargate.produce(missing, ['a', 'b']), { name: 'NotFoundError' });
  await assert.rejects(stargate.produce('nonsense', ['a']), { name: 'InvalidArgumentError' });
  await assert.rejects(stargate.produce(url, ['a'], { maxPendingMgs: 5 }), { name: 'InvalidArgumentError' });
});
