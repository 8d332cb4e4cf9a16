'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { MessageId, Supervisor } = require('stargate');
const { start, until } = require('./broker.js');

const billing = { topic: 'orders', subscription: 'billing', initialPosition: 'earliest', backoffMin: 10 };

/** Starts a supervisor of a mock broker. */
async function supervise(t, { mock, client }, parts) {
  const shop = await Supervisor.start({ name: 'shop', host: mock.url.replace('ws://', ''), ...parts });
  t.after(() => shop.close());
  return { mock, client, shop };
}

/** Returns an array that gets the text of each warning. */
function noted(t) {
  const warnings = [];
  const note = ({ message }) => warnings.push(message);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  return warnings;
}

test('a supervisor holds what its configuration names', async (t) => {
  const seen = [];
  const { mock, client, shop } = await supervise(t, start(t), {
    producer: { topic: 'orders', sendTimeout: 5000 },
    consumer: [{ ...billing, handler: async (message) => void seen.push(message.text()) }, { topic: 'orders', subscription: 'audit' }],
    reader: { topic: 'public/default/orders', startingMessage: 'earliest' },
  });
  assert.equal(Supervisor.find('shop'), shop);
  assert.equal(shop.name, 'shop');
  assert.ok((await shop.producer('persistent://public/default/orders').send('one pizza')) instanceof MessageId);
  assert.equal((await shop.consumer('orders', 'audit').receive()).text(), 'one pizza');
  assert.equal((await shop.reader('orders').receive()).text(), 'one pizza');
  await until(() => mock.backlog('orders', 'billing') === 0);
  assert.deepEqual(seen, ['one pizza']);
  const topic = 'persistent://public/default/orders';
  assert.deepEqual(shop.keys(), [
    { component: 'producer', topic },
    { component: 'consumer', topic, subscription: 'billing' },
    { component: 'consumer', topic, subscription: 'audit' },
    { component: 'reader', topic },
  ]);
  await shop.close();
  await until(() => mock.connections === 0);
  assert.throws(() => Supervisor.find('shop'), { name: 'NotFoundError' });
  await client.close();
});

test('names and keys are unique', async (t) => {
  const broker = start(t);
  const { shop } = await supervise(t, broker, { consumer: { topic: 'orders', subscription: 'a' } });
  await assert.rejects(supervise(t, broker), { name: 'BusyError', message: /"shop" already/ });
  await assert.rejects(shop.addConsumer({ topic: 'orders', subscription: 'a' }), /consumer of .*orders on a in supervisor "shop" already/);
  assert.equal(shop.consumer('orders').subscription, 'a');
  const twice = [1, 2].map(() => shop.addConsumer({ topic: 'orders', subscription: 'b', subscriptionType: 'shared' }));
  assert.deepEqual((await Promise.allSettled(twice)).map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  assert.throws(() => shop.consumer('orders'), { name: 'InvalidArgumentError', message: /name the subscription/ });
  assert.throws(() => shop.producer('orders'), { name: 'NotFoundError', message: /no producer of .*orders/ });
  await shop.consumer('orders', 'a').close();
  await shop.addConsumer({ topic: 'orders', subscription: 'a' });
  await shop.close();
  await assert.rejects(shop.addReader({ topic: 'orders' }), { name: 'ClosedError' });
});

test('what cannot be opened closes the rest', async (t) => {
  const broker = start(t);
  const { mock } = broker;
  mock.fault('connect', 'http:401:no', { topic: 'locked' });
  const producer = [{ topic: 'orders' }, { topic: 'locked' }];
  await assert.rejects(supervise(t, broker, { producer }), { name: 'AuthenticationError' });
  await assert.rejects(supervise(t, broker, { producer: {} }), { name: 'InvalidArgumentError', message: /^topic: / });
  await assert.rejects(Supervisor.start({}), { name: 'InvalidArgumentError', message: /^host: / });
  mock.fault('connect', 'delay:20000', { topic: 'slow' });
  const slow = { host: mock.url.replace('ws://', ''), producer: { topic: 'slow' } };
  await assert.rejects(Supervisor.start(slow, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
  await until(() => mock.connections === 0);
  await supervise(t, broker); // the name is free
});

test('a permanent error restarts a handle and its handler', async (t) => {
  const seen = [];
  const { mock, client, shop } = await supervise(t, start(t), {
    consumer: { ...billing, handler: (message) => void seen.push(message.text()) },
  });
  const before = shop.consumer('orders');
  const warnings = noted(t);
  mock.fault('connect', 'http:401:revoked', { topic: 'orders' });
  mock.dropConnections();
  await until(() => warnings.length === 1);
  assert.match(warnings[0], /consumer of .*orders on billing in supervisor "shop" failed, and is opened again: .*revoked/);
  assert.throws(() => shop.consumer('orders'), { name: 'AuthenticationError' });
  await until(() => {
    try {
      return shop.consumer('orders') !== before;
    } catch {
      return false;
    }
  });
  await (await client.producer('orders')).send('again');
  await until(() => seen.length === 1);
});

test('what fails too often is given up with its error', async (t) => {
  const states = [];
  const producer = { topic: 'orders', backoffMin: 10, onState: ({ state }) => states.push(state) };
  const { mock, shop } = await supervise(t, start(t), { producer, maxRestarts: 1 });
  const warnings = noted(t);
  mock.fault('connect', 'http:401:revoked', { topic: 'orders', count: 2 });
  mock.dropConnections();
  await until(() => warnings.length === 2);
  assert.match(warnings[1], /was given up after 1 restarts: .*revoked/);
  assert.throws(() => shop.producer('orders'), { name: 'AuthenticationError' });
  assert.ok(states.includes('failed'));
  await shop.addProducer({ topic: 'orders' });
  await shop.producer('orders').send('back');
});

test('a close ends a restart', async (t) => {
  const { mock, shop } = await supervise(t, start(t), { producer: { topic: 'orders', backoffMin: 10 } });
  mock.fault('connect', 'http:401:revoked', { topic: 'orders' });
  const warnings = noted(t);
  mock.dropConnections();
  await until(() => warnings.length === 1);
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  await shop.close();
  assert.equal(timers(), before - 1);
});

test('a start without a limit of time, and a handler that is none', async (t) => {
  const broker = start(t);
  const host = broker.mock.url.replace('ws://', '');
  const shop = await Supervisor.start({ name: 'patient', host, producer: { topic: 'orders' } }, { timeout: Infinity });
  t.after(() => shop.close());
  await shop.addReader({ topic: 'orders' });
  const connected = broker.mock.count('connect');
  await assert.rejects(shop.addConsumer({ ...billing, handler: 'print' }), { message: /handler: expected a function/ });
  assert.equal(broker.mock.count('connect'), connected);
});

test('what is being restarted keeps its place', async (t) => {
  const { mock, shop } = await supervise(t, start(t), { consumer: billing });
  const warnings = noted(t);
  mock.fault('connect', 'http:401:revoked', { topic: 'orders' });
  mock.fault('connect', 'delay:1500', { topic: 'orders' });
  mock.dropConnections();
  await until(() => warnings.length === 1);
  await sleep(1000); // half a second after the failure the old one is closed
  await assert.rejects(shop.addConsumer(billing), { name: 'BusyError' });
  await until(() => mock.connections === 1);
});
