'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { MessageId } = require('stargate');
const { slow, start, until } = require('./broker.js');

const texts = (messages) => messages.map(({ data }) => data.toString());

test('a received message has everything', async (t) => {
  const { mock, client } = start(t);
  mock.createSubscription('orders', 'billing', { earliest: true });
  const id = mock.publish('orders', '{"pizza": "ñ"}', { key: 'anna', properties: { size: 'l', empty: '' }, eventTime: 1234 });
  const consumer = await client.consumer('orders', 'billing');
  const message = await consumer.receive({ timeout: 5000 });
  assert.ok(message.id.equals(id));
  assert.deepEqual(message.json(), { pizza: 'ñ' });
  assert.equal(message.text(), '{"pizza": "ñ"}');
  assert.equal(message.key, 'anna');
  assert.deepEqual(message.properties, { size: 'l', empty: '' });
  assert.deepEqual(message.eventTime, new Date(1234));
  assert.ok(Math.abs(message.publishTime - Date.now()) < 60_000);
  assert.equal(message.topic, 'persistent://public/default/orders');
  assert.equal(message.redeliveryCount, 0);
  assert.equal(message.isEncrypted, false);
  assert.equal(consumer.subscription, 'billing');
  consumer.ack(message);
  await until(() => mock.backlog('orders', 'billing') === 0);
  consumer.ack(message); // a second time is harmless
  consumer.ack(message.id);
});

test('payloads of every size survive', async (t) => {
  const { mock, client } = start(t);
  const reader = await client.reader('orders', { startingMessage: 'earliest' });
  for (const size of [0, 1, 4095, 4096, 100_000, 700_000]) {
    mock.publish('orders', Buffer.alloc(size, size % 251));
    const { data } = await reader.receive({ timeout: 5000 });
    assert.ok(data.equals(Buffer.alloc(size, size % 251)), `${size} bytes`);
  }
});

test('a receive ends in time, and others go on', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  await assert.rejects(consumer.receive({ timeout: 0 }), { name: 'TimeoutError', kind: 'timeout', topic: consumer.topic });
  const patient = consumer.receive();
  const begun = performance.now();
  await assert.rejects(consumer.receive({ timeout: 50 }), { name: 'TimeoutError' });
  assert.ok(performance.now() - begun < 2000);
  mock.publish('orders', 'at last');
  assert.equal((await patient).text(), 'at last');
  await assert.rejects(consumer.receive({ timeout: -5 }), { name: 'InvalidArgumentError' });
});

test('a receive with timeout 0 takes what is there', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  mock.publish('orders', 'a');
  await until(() => consumer.stats().queued === 1);
  assert.equal((await consumer.receive({ timeout: 0 })).text(), 'a');
});

test('an aborted receive ends at once and loses nothing', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  for (let round = 0; round < 50; round++) {
    const abort = new AbortController();
    const receive = consumer.receive({ signal: abort.signal });
    if (round % 2) mock.publish('orders', `${round}`);
    if (round % 3) await sleep(1);
    abort.abort(new Error('enough'));
    const taken = await receive.catch((error) => assert.equal(error.message, 'enough'));
    if (taken !== undefined) consumer.ack(taken);
    else if (round % 2) consumer.ack(await consumer.receive({ timeout: 5000 }));
  }
  await until(() => mock.backlog('orders', 'billing') === 0);
  await assert.rejects(consumer.receive({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  await assert.rejects(consumer.receive({ signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' });
});

test('receiveMany waits for as many, or for the time', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  for (const payload of 'abcde') mock.publish('orders', payload);
  assert.deepEqual(texts(await consumer.receiveMany(3, { timeout: 5000 })), ['a', 'b', 'c']);
  assert.deepEqual(texts(await consumer.receiveMany(3, { timeout: 50 })), ['d', 'e']);
  assert.deepEqual(await consumer.receiveMany(3, { timeout: 50 }), []);
  await assert.rejects(consumer.receiveMany(0), { name: 'InvalidArgumentError' });

  mock.publish('orders', 'f');
  const abort = new AbortController();
  const receive = consumer.receiveMany(2, { signal: abort.signal });
  await sleep(50);
  abort.abort();
  await assert.rejects(receive, { name: 'AbortError' });
  assert.equal((await consumer.receive({ timeout: 0 })).text(), 'f');
});

test('several receives wait in their order', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  const receives = [1, 2, 3].map(() => consumer.receive({ timeout: 5000 }));
  for (const payload of 'abc') mock.publish('orders', payload);
  assert.deepEqual(texts(await Promise.all(receives)), ['a', 'b', 'c']);
});

test('for await goes on until the consumer is closed', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  for (const payload of 'abc') mock.publish('orders', payload);
  const seen = [];
  for await (const message of consumer) {
    seen.push(message.text());
    consumer.ack(message);
    if (seen.length === 3) setTimeout(() => consumer.close(), 20);
  }
  assert.deepEqual(seen, ['a', 'b', 'c']);
  await assert.rejects(consumer.receive(), { name: 'ClosedError' });
});

test('a close ends a receive that waits', async (t) => {
  const { client } = start(t);
  const [consumer, reader] = [await client.consumer('orders', 'billing'), await client.reader('orders')];
  const receives = Promise.allSettled([consumer.receive(), reader.receive()]);
  await consumer.close();
  await client.close();
  assert.deepEqual((await receives).map(({ reason }) => reason.kind), ['closed', 'closed']);
  await assert.rejects(reader.receive(), { kind: 'closed', message: /the client is closed/ });
});

test('seek forgets what arrived before', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  const ids = [...'abcdef'].map((payload) => mock.publish('orders', payload));
  assert.deepEqual(texts(await consumer.receiveMany(2, { timeout: 5000 })), ['a', 'b']);
  await consumer.seek(ids[1]);
  assert.equal((await consumer.receive({ timeout: 5000 })).text(), 'b');
  const waiting = consumer.receiveMany(9, { timeout: 300 });
  await waiting;
  const receive = consumer.receive({ timeout: 5000 });
  await consumer.seek('earliest');
  assert.equal((await receive).text(), 'a');
  await consumer.seek(ids[3], { after: true });
  assert.equal((await consumer.receive({ timeout: 5000 })).text(), 'e');
  await consumer.seek(new Date(0));
  assert.equal((await consumer.receive({ timeout: 5000 })).text(), 'a');
  await consumer.seek(MessageId.latest);
  await assert.rejects(consumer.receive({ timeout: 50 }), { kind: 'timeout' });
  await assert.rejects(consumer.seek('middle'), { name: 'InvalidArgumentError' });
});

test('a nack brings a message back', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing', { subscriptionType: 'shared', negativeAckDelay: 10 });
  mock.publish('orders', 'again');
  consumer.nack(await consumer.receive({ timeout: 5000 }));
  const message = await consumer.receive({ timeout: 5000 });
  assert.equal(message.redeliveryCount, 1);
  consumer.nack(message.id);
  consumer.ackMany([await consumer.receive({ timeout: 5000 })]);
  await until(() => mock.backlog('orders', 'billing') === 0);
});

test('a cumulative acknowledgement, the backlog and the last ids', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  const ids = [...'abcd'].map((payload) => mock.publish('orders', payload));
  const messages = await consumer.receiveMany(4, { timeout: 5000 });
  assert.equal(await consumer.backlog(), 4);
  consumer.ackCumulative(messages[2]);
  await until(async () => (await consumer.backlog()) === 1);
  consumer.ackCumulative(messages[3].id);
  await until(async () => (await consumer.backlog()) === 0);
  const [last] = await consumer.lastMessageIds();
  assert.ok(last.equals(ids[3]));
  assert.equal(await consumer.isEndOfTopic(), false);
});

test('reconsumeLater brings a message back through the retry letter topic', async (t) => {
  const { mock, client } = start(t);
  const options = { subscriptionType: 'shared', enableRetry: true };
  const consumer = await client.consumer('orders', 'billing', options);
  mock.publish('orders', 'later');
  const message = await consumer.receive({ timeout: 5000 });
  await consumer.reconsumeLater(message, 10);
  assert.equal((await consumer.receive({ timeout: 5000 })).reconsumeTimes, 1);
  await assert.rejects(consumer.reconsumeLater(message, 10), { name: 'InvalidArgumentError' });
});

test('pull mode takes no more than what is asked for', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing', { pullMode: true, queueSize: 2 });
  for (let number = 0; number < 10; number++) mock.publish('orders', `${number}`);
  consumer.ack(await consumer.receive({ timeout: 5000 }));
  await sleep(50);
  assert.ok(consumer.stats().received <= 3);
  consumer.permit(3);
  assert.equal((await consumer.receiveMany(9, { timeout: 5000 })).length, 9);
});

test('a reader reads to its end', async (t) => {
  const { mock, client } = start(t);
  const reader = await client.reader('orders', { startingMessage: MessageId.earliest });
  assert.equal(await reader.hasMessageAvailable(), false);
  for (let number = 0; number < 250; number++) mock.publish('orders', `${number}`);
  assert.equal(await reader.hasMessageAvailable(), true);
  const seen = [];
  for await (const message of reader.untilCaughtUp()) {
    if (seen.push(Number(message.text())) === 1) mock.publish('orders', 'behind the end');
  }
  assert.deepEqual(seen, Array.from({ length: 250 }, (_, number) => number));
  assert.equal((await reader.receive({ timeout: 5000 })).text(), 'behind the end');
  for await (const message of reader.untilCaughtUp()) assert.fail(message.text());
});

test('several topics, and a pattern', async (t) => {
  const { mock, client } = start(t);
  const both = await client.consumer(['orders', 'returns'], 'audit');
  const pattern = await client.consumer({ pattern: 'persistent://public/default/.*' }, 'all');
  mock.publish('orders', 'a');
  mock.publish('returns', 'b');
  for (const consumer of [both, pattern]) {
    assert.deepEqual(texts(await consumer.receiveMany(2, { timeout: 5000 })).sort(), ['a', 'b']);
  }
  await assert.rejects(client.consumer(7, 's'), { name: 'InvalidArgumentError' });
});

test('unsubscribe deletes the subscription and closes', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  await consumer.unsubscribe();
  assert.throws(() => mock.backlog('orders', 'billing'), { name: 'NotFoundError' });
  await assert.rejects(consumer.receive(), { name: 'ClosedError' });
});

test('ids are compared, stored and read again', async (t) => {
  const { mock } = start(t);
  const [first, second] = ['a', 'b'].map((payload) => mock.publish('orders', payload));
  assert.deepEqual([second, first].sort(MessageId.compare), [first, second]);
  const again = MessageId.from(JSON.parse(JSON.stringify(first)));
  assert.ok(again.equals(first) && !again.equals(second));
  assert.equal(typeof first.ledger, 'bigint');
  assert.equal(second.entry, 1n);
  assert.deepEqual([first.partition, first.batchIndex], [null, null]);
  assert.throws(() => MessageId.from('nonsense'), { name: 'InvalidArgumentError' });
});

test('after a close of the client nothing is received that was here before', async (t) => {
  const { adminUrl } = await slow(t);
  const { mock, client } = start(t, { adminUrl });
  const consumer = await client.consumer('orders', 'billing');
  const reader = await client.reader('orders', { startingMessage: 'earliest' });
  for (const payload of 'abc') mock.publish('orders', payload);
  const iterator = consumer[Symbol.asyncIterator]();
  for (const receiver of [consumer, reader]) {
    await until(() => receiver.stats().queued === 3);
    assert.equal((await receiver.receive()).text(), 'a'); // and the others are here
  }
  await assert.rejects(client.admin.tenants({ signal: AbortSignal.timeout(20) }), { name: 'TimeoutError', code: 23 }); // it goes on
  await client.close();
  for (const receiver of [consumer, reader]) {
    await assert.rejects(receiver.receive(), { kind: 'closed', message: /the client is closed/ });
    await assert.rejects(receiver.receiveMany(1), { kind: 'closed' });
  }
  await assert.rejects(reader.hasMessageAvailable(), { kind: 'closed' });
  assert.equal((await iterator.next()).done, true);
});

test('a signal ends a loop over messages, and nothing is lost', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  const stop = new AbortController();
  const seen = [];
  for (const payload of 'ab') mock.publish('orders', payload);
  for await (const message of consumer.messages({ signal: stop.signal })) {
    if (seen.push(message.text()) === 2) setTimeout(() => stop.abort(), 20);
  }
  for (const payload of 'cd') mock.publish('orders', payload);
  for await (const message of consumer.messages({ signal: stop.signal })) assert.fail(message.text());
  for await (const message of consumer.messages()) if (seen.push(message.text()) === 4) break;
  assert.deepEqual(seen, ['a', 'b', 'c', 'd']);
  const closing = new AbortController();
  setTimeout(() => consumer.close(), 20);
  for await (const message of consumer.messages({ signal: closing.signal })) assert.fail(message.text());
});

test('two seeks at once, while a receive waits', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  const receive = consumer.receive({ timeout: 5000 });
  mock.createSubscription('orders', 'other');
  await Promise.all([consumer.seek('earliest', { timeout: 5000 }), consumer.seek('earliest', { timeout: 5000 })]);
  mock.publish('orders', 'a');
  assert.equal((await receive).text(), 'a');
});

test('a receive ends in time while a seek is on its way', async (t) => {
  const { adminUrl } = await slow(t);
  const { client } = start(t, { adminUrl });
  const consumer = await client.consumer('orders', 'billing');
  const seeking = consumer.seek('earliest', { timeout: 3000 });
  const begun = performance.now();
  const receives = [100, 50, 150].map((timeout) => consumer.receive({ timeout }));
  const ends = await Promise.allSettled(receives);
  assert.deepEqual(ends.map(({ reason }) => reason.kind), ['timeout', 'timeout', 'timeout']);
  assert.ok(performance.now() - begun < 2000);
  await assert.rejects(seeking, { kind: 'timeout' });
});

test('an aborted seek still holds what arrives before its end', async (t) => {
  const { adminUrl, answer, asked } = await slow(t);
  const { mock, client } = start(t, { adminUrl });
  const consumer = await client.consumer('orders', 'billing');
  const receive = consumer.receive();
  await assert.rejects(consumer.seek('earliest', { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError', code: 23 });
  mock.publish('orders', 'a');
  await until(() => asked() === 1);
  await sleep(50);
  assert.equal(consumer.stats().queued, 1); // it stays there until the seek has ended
  answer();
  assert.equal((await receive).text(), 'a');
});

test('what an aborted receiveMany had goes to the receive behind it', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  const abort = new AbortController();
  const many = consumer.receiveMany(3, { signal: abort.signal });
  mock.publish('orders', 'a');
  await until(() => consumer.stats().unacked === 1);
  await sleep(20);
  const receive = consumer.receive({ timeout: 2000 });
  abort.abort();
  await assert.rejects(many, { name: 'AbortError' });
  assert.equal((await receive).text(), 'a');
});
