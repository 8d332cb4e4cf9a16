'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { start, until } = require('./broker.js');

const shared = { subscriptionType: 'shared', negativeAckDelay: 10 };

test('a handler acknowledges, refuses, leaves and postpones', async (t) => {
  const { mock, client } = start(t);
  const seen = [];
  const left = [];
  const outcomes = { ack: 'ack', nothing: undefined, refused: 'nack', left: 'continue', later: { reconsumeLater: 10 } };
  const consumer = await client.consume(
    'orders',
    'billing',
    async (message) => {
      const first = !seen.includes(message.text());
      seen.push(message.text());
      if (message.text() === 'left') left.push(message);
      return first ? outcomes[message.text()] : 'ack';
    },
    { ...shared, enableRetry: true },
  );
  for (const payload of Object.keys(outcomes)) mock.publish('orders', payload);
  await until(() => seen.length === 7, 'seven calls');
  assert.deepEqual(seen.sort(), ['ack', 'later', 'later', 'left', 'nothing', 'refused', 'refused']);
  await until(() => mock.backlog('orders', 'billing') === 1);
  consumer.ack(left[0]);
  await until(() => mock.backlog('orders', 'billing') === 0);
});

test('a handler that fails costs its message, and is reported', async (t) => {
  const { mock, client } = start(t);
  let calls = 0;
  const warned = once(process, 'warning');
  await client.consume('orders', 'billing', () => { if (calls++ === 0) throw new Error('out of flour'); }, shared);
  mock.publish('orders', 'pizza');
  const [warning] = await warned;
  assert.equal(warning.name, 'StargateHandlerWarning');
  assert.match(warning.message, /orders failed: Error: out of flour\n.*handlers\.test\.js/s);
  await until(() => calls === 2 && mock.backlog('orders', 'billing') === 0);
});

test('onError decides', async (t) => {
  const { mock, client } = start(t);
  const errors = [];
  const onError = (error, message) => {
    errors.push(`${message.text()}: ${error.message}`);
    return 'ack';
  };
  await client.consume('orders', 'billing', async () => { throw new Error('no'); }, { ...shared, onError });
  mock.publish('orders', 'pizza');
  await until(() => mock.backlog('orders', 'billing') === 0 && errors.length > 0);
  assert.deepEqual(errors, ['pizza: no']);
});

test('one at a time keeps the order; several run together', async (t) => {
  const { mock, client } = start(t);
  for (const [processors, most] of [[1, 1], [4, 4]]) {
    const topic = `orders-${processors}`;
    let [running, peak, order] = [0, 0, []];
    await client.consume(topic, 'billing', async (message) => {
      peak = Math.max(peak, ++running);
      await sleep(5);
      order.push(Number(message.text()));
      running--;
    }, { processors });
    for (let number = 0; number < 20; number++) mock.publish(topic, `${number}`);
    await until(() => order.length === 20);
    assert.equal(peak, most);
    if (processors === 1) assert.deepEqual(order, [...order].sort((a, b) => a - b));
  }
});

test('ordering: key keeps the order of each key', async (t) => {
  const { mock, client } = start(t);
  const seen = { a: [], b: [] };
  let [running, peak] = [0, 0];
  await client.consume('orders', 'billing', async (message) => {
    peak = Math.max(peak, ++running);
    await sleep(message.text() % 3 ? 1 : 8);
    seen[message.key].push(Number(message.text()));
    running--;
  }, { processors: 8, ordering: 'key' });
  for (let number = 0; number < 30; number++) mock.publish('orders', `${number}`, { key: number % 2 ? 'a' : 'b' });
  await until(() => seen.a.length + seen.b.length === 30);
  for (const numbers of Object.values(seen)) assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  assert.equal(peak, 2);
});

test('close lets handlers finish, and wait tells when they have', async (t) => {
  const { mock, client } = start(t);
  let finished = 0;
  const consumer = await client.consume('orders', 'billing', async () => {
    await sleep(100);
    finished++;
  });
  mock.publish('orders', 'pizza');
  await until(() => mock.count('receive') > 0);
  await sleep(20);
  const ended = consumer.wait();
  await consumer.close();
  await ended;
  assert.equal(finished, 1);
  assert.equal(mock.backlog('orders', 'billing'), 0);
});

test('a handler may close its consumer', async (t) => {
  const { mock, client } = start(t);
  let closed;
  const consumer = await client.consume('orders', 'billing', () => {
    closed = consumer.close();
  });
  mock.publish('orders', 'the last one');
  await consumer.wait();
  await closed;
  assert.equal(mock.backlog('orders', 'billing'), 0);
});

test('a handler that never ends does not hold a close beyond its time', async (t) => {
  const { mock, client } = start(t);
  let end; // for the close after the test
  const consumer = await client.consume('orders', 'billing', () => new Promise((resolve) => { end = resolve; }));
  mock.publish('orders', 'pizza');
  await until(() => consumer.stats().unacked === 1);
  await sleep(20);
  const begun = performance.now();
  await assert.rejects(consumer.close({ timeout: 100 }), { name: 'TimeoutError', kind: 'timeout' });
  assert.ok(performance.now() - begun < 3000);
  await assert.rejects(consumer.close({ timeout: 10 }), { kind: 'timeout', message: /orders: a handler still runs/ });
  await assert.rejects(client.close({ timeout: 10 }), { kind: 'timeout' });
  await assert.rejects(client.close({ timeout: 10 }), { kind: 'timeout', message: /the client: a handler still runs/ });
  end();
  await consumer.close();
  await client.close();
});

test('a signal ends a close that waits for a handler, and a later close goes on', async (t) => {
  const { mock, client } = start(t);
  let end;
  const consumer = await client.consume('orders', 'billing', () => new Promise((resolve) => { end = resolve; }));
  mock.publish('orders', 'pizza');
  await until(() => end !== undefined);
  const begun = performance.now();
  for (const close of [(options) => consumer.close(options), (options) => client.close(options)]) {
    await assert.rejects(close({ signal: AbortSignal.abort() }), { name: 'AbortError' });
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    await assert.rejects(close({ timeout: Infinity, signal: abort.signal }), { name: 'AbortError' });
  }
  assert.ok(performance.now() - begun < 3000);
  end();
  await client.close();
  assert.equal(mock.backlog('orders', 'billing'), 0);
});

test('receiving and a handler exclude each other', async (t) => {
  const { client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  const receive = consumer.receive({ timeout: 30 });
  assert.throws(() => consumer.listen(() => {}), { name: 'InvalidArgumentError' });
  await assert.rejects(receive, { kind: 'timeout' });
  await assert.rejects(consumer.wait(), { name: 'ClosedError' });
  assert.throws(() => consumer.listen('no function'), { name: 'InvalidArgumentError' });
  consumer.listen(() => {});
  assert.throws(() => consumer.listen(() => {}), { name: 'InvalidArgumentError' });
  await assert.rejects(consumer.receive(), { name: 'InvalidArgumentError' });
});

test('a reader has handlers too', async (t) => {
  const { mock, client } = start(t);
  process.on('warning', assert.fail);
  t.after(() => process.off('warning', assert.fail));
  const seen = [];
  const reader = await client.reader('orders', { startingMessage: 'earliest' });
  reader.listen((message) => seen.push(message.text()) && undefined);
  for (const payload of 'abc') mock.publish('orders', payload);
  await until(() => seen.length === 3);
  assert.deepEqual(seen, ['a', 'b', 'c']);
});

test('what is no outcome counts as a failure', async (t) => {
  const { mock, client } = start(t);
  const errors = [];
  const onError = (error) => errors.push(error) && 'ack';
  await client.consume('orders', 'billing', () => 'fine', { ...shared, onError });
  mock.publish('orders', 'pizza');
  await until(() => mock.backlog('orders', 'billing') === 0 && errors.length > 0);
  assert.match(errors[0].message, /a handler returned fine/);
});

test('what ends a handler is reported: by wait, or as a warning', async (t) => {
  const { mock, client } = start(t);
  const [silent, waited] = [await client.consume('orders', 'a', () => {}), await client.consume('orders', 'b', () => {})];
  const ended = assert.rejects(waited.wait(), { name: 'AuthenticationError' });
  const warned = once(process, 'warning');
  mock.fault('connect', 'http:401', { topic: 'orders', count: Infinity });
  mock.dropConnections();
  assert.match((await warned)[0].message, /the handler of persistent:.*orders ended: /);
  await ended;
  await silent.close();
});

test('what is thrown may be anything', async (t) => {
  const { mock, client } = start(t);
  const warnings = [];
  const note = ({ message }) => warnings.push(message);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  let calls = 0;
  const handler = () => {
    if (calls++ === 0) throw undefined;
  };
  await client.consume('orders', 'billing', handler, { ...shared, onError: () => { throw { code: 7 }; } });
  mock.publish('orders', 'pizza');
  await until(() => calls === 2 && mock.backlog('orders', 'billing') === 0);
  assert.deepEqual(warnings, ['{ code: 7 }']);
});

test('a handler is checked before anything is opened', async (t) => {
  const { mock, client } = start(t);
  await assert.rejects(client.consume('orders', 'billing', undefined), { message: 'handler: expected a function, got undefined' });
  await assert.rejects(client.consume('orders', 'billing', 'print'), { name: 'InvalidArgumentError' });
  assert.equal(mock.count('connect'), 0);
});
