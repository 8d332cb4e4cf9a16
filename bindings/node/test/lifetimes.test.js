'use strict';

// What calls of the library use lives until they end, whatever the application does meanwhile.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { Client, produce } = require('stargate');
const { MockBroker } = require('stargate/testing');
const { forget, register } = require('../src/pending.js');
const { types } = require('../src/raw.js');
const { slow, start, until } = require('./broker.js');
const { collect, ended, replace } = require('./watch.js');

const soon = () => AbortSignal.timeout(20);

test('the options of a produce live as long as its call', async (t) => {
  const { mock } = start(t);
  const log = ended(t, 'stargate_produce', 'stargate_options_free');
  const url = `${mock.url}/ws/v2/producer/persistent/public/default/orders`;
  const [{ status }] = await produce(url, ['one pizza'], { sendTimeout: 5000, name: 'till' });
  assert.equal(status, 'fulfilled');
  assert.equal(mock.messages('orders')[0].producerName, 'till');
  assert.deepEqual(log, ['stargate_produce', 'stargate_options_free']);
});

test('a change of state of a forgotten handle reaches nobody else', async (t) => {
  const { mock, client } = start(t);
  const producer = await client.producer('bills');
  await client.producer('orders', { onState() {} });
  const sends = [];
  replace(t, 'stargate_producer_release', (release) => (pointer) => {
    release(pointer);
    mock.fault('send', 'delay:100', { topic: 'bills' });
    // These have numbers before the last change of state arrives.
    queueMicrotask(() => sends.push(...Array.from({ length: 20 }, () => producer.send('a'))));
  });
  await until(async () => {
    await collect();
    return sends.length > 0;
  });
  await Promise.all(sends);
});

test('an aborted open gives up its functions, whether it succeeds or fails', async (t) => {
  const { mock, client } = start(t);
  for (const topic of ['orders', 'no/where/orders']) {
    mock.fault('connect', 'delay:100');
    let listener = () => {};
    const forgotten = new WeakRef(listener);
    const opening = client.producer(topic, { onState: listener, signal: soon() });
    listener = null;
    await assert.rejects(opening, { name: 'TimeoutError' });
    await until(async () => {
      await collect();
      return forgotten.deref() === undefined;
    });
  }
});

test('a mock broker is freed after the waits that were aborted', async (t) => {
  const mock = new MockBroker();
  const client = new Client(mock.url);
  t.after(() => client.close());
  const log = ended(t, 'stargate_mock_wait', 'stargate_mock_free');
  await assert.rejects(mock.wait('send', { timeout: 200, signal: soon() }), { name: 'TimeoutError' });
  mock.close();
  mock.close();
  await assert.rejects(client.producer('orders', { timeout: 50 }), { name: 'ConnectError' });
  await until(() => log.length > 1);
  assert.deepEqual(log, ['stargate_mock_wait', 'stargate_mock_free']);
  await assert.rejects(mock.wait('send'), { name: 'ClosedError' });
});

test('a message that is being postponed is not freed', async (t) => {
  const { mock, client } = start(t);
  const log = ended(t, 'stargate_consumer_reconsume_later', 'stargate_message_free', 'stargate_consumer_nack');
  const options = { subscriptionType: 'shared', enableRetry: true, negativeAckDelay: 10 };
  const consumer = await client.consumer('orders', 'billing', options);
  mock.publish('orders', 'later');
  const message = await consumer.receive({ timeout: 5000 });
  mock.fault('send', 'delay:200');
  await assert.rejects(consumer.reconsumeLater(message, 10, { signal: soon() }), { name: 'TimeoutError', code: 23 });
  consumer.ack(message);
  await until(() => log.length === 2);
  assert.deepEqual(log, ['stargate_consumer_reconsume_later', 'stargate_message_free']);

  const again = await consumer.receive({ timeout: 5000 });
  mock.fault('send', 'send-error:8:no room');
  await assert.rejects(consumer.reconsumeLater(again, 10), { kind: 'broker' });
  consumer.nack(again); // it still has its handle
  assert.deepEqual(log.slice(-2), ['stargate_consumer_nack', 'stargate_message_free']);
});

test('a consumer is not given up before its call has ended, aborted or not', async (t) => {
  const { adminUrl, answer, asked } = await slow(t, '{"subscriptions": {"billing": {"msgBacklog": 7}}}');
  const { client } = start(t, { adminUrl });
  const log = ended(t, 'stargate_consumer_backlog', 'stargate_consumer_release');
  const open = () => client.consumer('orders', 'billing', { subscriptionType: 'shared' });
  const waited = (async () => (await open()).backlog())();
  const aborted = (async () => (await open()).backlog({ signal: soon() }))();
  await assert.rejects(aborted, { name: 'TimeoutError' });
  await until(() => asked() === 2);
  await collect();
  assert.deepEqual(log, []);
  answer();
  await waited.catch(() => {});
  await until(async () => {
    await collect();
    return log.length === 4;
  });
});

test('what an aborted request gives is freed', async (t) => {
  const { adminUrl, answer, asked } = await slow(t, '["a", "b"]');
  const { client } = start(t, { adminUrl });
  const names = ['stargate_admin_tenants', 'stargate_admin_request', 'stargate_consumer_last_message_ids_json'];
  const log = ended(t, ...names, 'stargate_strings_free', 'stargate_string_free');
  await assert.rejects(client.admin.tenants({ signal: soon() }), { name: 'TimeoutError' });
  await assert.rejects(client.admin.request('GET', 'tenants', { signal: soon() }), { name: 'TimeoutError' });
  await until(() => asked() === 2);
  answer();
  await until(() => log.length === 4);
  assert.deepEqual(log.sort(), ['stargate_admin_request', 'stargate_admin_tenants', 'stargate_string_free', 'stargate_strings_free']);
});

test('the last ids are freed, even if nobody waits for them', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  mock.publish('orders', 'a');
  mock.fault('http', 'delay:200');
  const log = ended(t, 'stargate_consumer_last_message_ids_json', 'stargate_string_free');
  await assert.rejects(consumer.lastMessageIds({ signal: soon() }), { name: 'TimeoutError' });
  await until(() => log.length === 2);
});

test('a send keeps its producer and its client', async (t) => {
  const { mock } = start(t);
  mock.fault('send', 'delay:300', { topic: 'orders' });
  const log = ended(t, 'stargate_producer_release', 'stargate_client_release');
  const send = async () => (await new Client(mock.url).producer('orders')).send('one pizza');
  const sending = send();
  await until(() => mock.connections === 1);
  await collect();
  assert.deepEqual(log, []);
  await sending;
});

test('a client that is closed twice is freed once, and not while its callbacks run', async (t) => {
  const { mock } = start(t);
  let polling = false;
  replace(t, 'stargate_client_poll', (poll) => ({
    sync(...values) {
      polling = true;
      const status = poll.sync(...values);
      polling = false;
      return status;
    },
  }));
  const freed = [];
  replace(t, 'stargate_client_free', (free) => (client) => freed.push(polling) && free(client));
  for (let round = 0; round < 20; round++) {
    const client = new Client(mock.url);
    await client.producer('orders');
    const first = client.close();
    await sleep(round / 10);
    await Promise.all([first, client.close(), first.then(() => client.close())]);
  }
  await until(() => freed.length === 20);
  assert.ok(!freed.includes(true), `${freed}`);
});

test('what was acknowledged last is sent before the client is freed', async (t) => {
  const mock = new MockBroker();
  t.after(() => mock.close());
  const client = new Client(mock.url);
  const consumer = await client.consumer('orders', 'billing');
  mock.publish('orders', 'a');
  const message = await consumer.receive({ timeout: 5000 });
  const onDone = register(types.stargate_done_fn, (number, ...values) => {
    queueMicrotask(() => consumer.ack(message)); // the close is over, and the client not yet freed
    forget(number)(...values);
  });
  replace(t, 'stargate_client_close_async', (close) => (pointer, left, _onDone, ...rest) => close(pointer, left, onDone, ...rest));
  const log = ended(t, 'stargate_consumer_ack_many', 'stargate_client_free');
  await client.close();
  await sleep(1);
  assert.deepEqual(log, ['stargate_consumer_ack_many', 'stargate_client_free']);
});

test('a client gives up its functions, closed or forgotten', async (t) => {
  const { mock } = start(t);
  for (const leave of [(client) => client.close(), () => {}]) {
    let listener = () => {};
    const forgotten = new WeakRef(listener);
    await leave(new Client(mock.url, { onState: listener }));
    listener = null;
    await until(async () => {
      await collect();
      return forgotten.deref() === undefined;
    });
  }
});
