// Tests the worker with the mock broker: `node --test worker.test.mjs`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockBroker } from 'stargate/testing';
import { work } from './worker.mjs';

const ORDER = JSON.stringify({ pizza: 'margherita', price: 10 });

/** Runs the worker until so many orders are acknowledged. */
async function workUntil(mock, orders) {
  const stop = new AbortController();
  const working = work(mock.url, { signal: stop.signal, log() {} });
  await mock.wait('ack', { topic: 'orders', atLeast: orders });
  stop.abort();
  await working;
}

function start(t) {
  const mock = new MockBroker();
  t.after(() => mock.close());
  mock.createSubscription('orders', 'billing', { earliest: true });
  return mock;
}

const billed = (mock) => mock.messages('bills').map(({ data }) => JSON.parse(data));

test('an order whose bill is refused is tried again', async (t) => {
  const mock = start(t);
  mock.publish('orders', ORDER, { key: 'anna' });
  mock.fault('send', 'send-error:8:no room', { topic: 'bills' });
  await workUntil(mock, 1);
  assert.equal(mock.count('nack', { topic: 'orders' }), 1);
  assert.deepEqual(billed(mock), [{ pizza: 'margherita', due: 10 }]);
});

test('what is no order is dropped', async (t) => {
  const mock = start(t);
  mock.publish('orders', 'no JSON');
  mock.publish('orders', ORDER);
  await workUntil(mock, 2);
  assert.equal(billed(mock).length, 1);
});
