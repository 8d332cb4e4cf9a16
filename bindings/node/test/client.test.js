'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { Client, NotFoundError, produce, StargateError } = require('stargate');
const { start, until } = require('./broker.js');

const KEYS = path.join(__dirname, '../../../tests/keys');

test('an error has its kind, its text and what the server said', async (t) => {
  const { mock, client } = start(t);
  mock.fault('connect', 'http:404:no such topic', { topic: 'orders' });
  const error = await client.producer('orders').catch((failed) => failed);
  assert.ok(error instanceof NotFoundError && error instanceof StargateError && error instanceof Error);
  const { name, kind, code, topic, brokerText, httpStatus, retriable } = error;
  assert.deepEqual({ name, kind, code, topic, brokerText, httpStatus, retriable }, {
    name: 'NotFoundError',
    kind: 'not_found',
    code: 'STARGATE_NOT_FOUND',
    topic: 'persistent://public/default/orders',
    brokerText: 'no such topic',
    httpStatus: 404,
    retriable: false,
  });
  assert.match(`${error}`, /^NotFoundError: open producer persistent:.*404.*no such topic/);
});

test('options are checked by the library, under both spellings', async (t) => {
  const { mock, client } = start(t);
  await assert.rejects(client.producer('orders', { maxPendingMgs: 5 }), /no option "max_pending_mgs"; the nearest is "max_pending_msg"/);
  await assert.rejects(client.consumer('orders', 's', { queue_size: 0 }), { name: 'InvalidArgumentError', message: /queue_size/ });
  await assert.rejects(client.producer('orders', { lazy: {} }), /lazy: expected a string, a number or a boolean, got object/);
  await assert.rejects(client.producer('a\0b'), /topic: it contains U\+0000/);
  assert.throws(() => new Client('nonsense'), { name: 'InvalidArgumentError' });
  assert.throws(() => new Client(mock.url, { pingIntervall: 1 }), /ping_interval/);
  assert.throws(() => new Client(7), { name: 'InvalidArgumentError' });
  const consumer = await client.consumer('orders', 's', { receiverQueueSize: 5, queue_bytes: 10_000, name: undefined });
  await consumer.close();
});

test('changes of state are reported, by handle and by client', async (t) => {
  const ofClient = [];
  const { mock, client } = start(t, { onState: ({ state }) => ofClient.push(state), backoffMin: 10 });
  const changes = [];
  const producer = await client.producer('orders', { onState: (change) => changes.push(change) });
  mock.dropConnections();
  await until(() => changes.length >= 5);
  await producer.close();
  assert.deepEqual(changes.map(({ state }) => state), ['connecting', 'connected', 'disconnected', 'connecting', 'connected', 'closed']);
  const [first, connected, lost] = changes;
  assert.equal(first.topic, 'persistent://public/default/orders');
  assert.equal(connected.host, mock.url.slice(5));
  assert.equal(connected.error, null);
  assert.ok(lost.error instanceof StargateError && lost.retryIn >= 0);
  await client.consumer('orders', 's');
  await until(() => ofClient.length >= 2);
});

test('the stack of an error names the line of the caller', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 'billing');
  mock.fault('http', 'http:403', { count: 2 });
  for (const call of [
    () => client.producer('a//b'),
    () => consumer.receive({ timeout: 1 }),
    () => consumer.seek('?'),
    () => consumer.backlog(),
    () => client.admin.partitions('orders', { signal: AbortSignal.timeout(10_000) }),
    () => produce('ws://nowhere', ['one pizza']),
  ]) {
    const error = await call().catch((failed) => failed);
    assert.match(error.stack, /^\w+Error: .*client\.test\.js/s, call);
  }
});

test('tokens and headers come from functions', async (t) => {
  const { mock } = start(t, { broker: { token: 'secret'.repeat(200) } });
  let asked = 0;
  const tokenSupplier = () => {
    asked++;
    return 'secret'.repeat(200);
  };
  const headersSupplier = () => ({ 'X-Key': 'k' });
  const client = new Client(mock.url, { tokenSupplier, headersSupplier });
  const producer = await client.producer('orders', { timeout: 5000 });
  await producer.send('a');
  assert.ok(asked >= 1);
  await client.admin.createTopic('bills');
  await client.close();

  const warnings = [];
  const onWarning = (warning) => warnings.push(warning.message);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const failing = new Client(mock.url, { tokenSupplier: () => { throw new Error('no token today'); } });
  await assert.rejects(failing.producer('orders', { timeout: 1000 }), { name: /AuthenticationError|ConnectError|TimeoutError/ });
  assert.ok(warnings.includes('no token today'));
  await failing.close();
  assert.throws(() => new Client(mock.url, { tokenSupplier: 'secret' }), /tokenSupplier: expected a function/);
});

test('keys come from a reader', async (t) => {
  const { client } = start(t);
  const pem = (name) => fs.readFileSync(path.join(KEYS, name), 'utf8');
  const asked = [];
  const cryptoKeyReader = {
    publicKey: (name) => ({ pem: pem(`${name}.pub.pem`), metadata: { version: '7' } }),
    privateKey: (name, metadata) => {
      asked.push([name, metadata.version]);
      return pem(`${name}.pem`);
    },
  };
  const consumer = await client.consumer('secrets', 'friends', { cryptoKeyReader, timeout: 5000 });
  const producer = await client.producer('secrets', { encryptionKey: 'ec', cryptoKeyReader, timeout: 5000 });
  await producer.send('hidden');
  const message = await consumer.receive({ timeout: 5000 });
  assert.equal(message.text(), 'hidden');
  assert.deepEqual(asked, [['ec', '7']]);
  const lost = { publicKey: () => null };
  await assert.rejects(client.producer('secrets', { encryptionKey: 'ec', cryptoKeyReader: lost, timeout: 5000 }), { name: 'CryptoError' });
});

test('an aborted open ends at once, and what opens later is given up', async (t) => {
  const { mock, client } = start(t);
  mock.fault('connect', 'delay:200', { topic: 'orders' });
  const begun = performance.now();
  await assert.rejects(client.producer('orders', { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' });
  assert.ok(performance.now() - begun < 180 || mock.connections === 0);
  await until(() => mock.count('connect') === 1);
  await until(() => mock.connections === 0);
  await assert.rejects(client.producer('orders', { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('await using closes, and closing again is no error', async (t) => {
  const { mock, client } = start(t);
  const consumer = await client.consumer('orders', 's');
  await consumer[Symbol.asyncDispose]();
  const other = new Client(mock.url);
  const producer = await other.producer('orders');
  await other[Symbol.asyncDispose]();
  await other.close();
  await producer.close();
  await assert.rejects(other.producer('orders'), { name: 'ClosedError', message: 'open producer orders: the client is closed' });
  assert.throws(() => other.stats(), { name: 'ClosedError' });
  await until(() => mock.connections === 0);
});

test('counters of a client are those of its handles', async (t) => {
  const { client } = start(t);
  const producer = await client.producer('orders');
  await producer.send('a');
  await producer.close();
  assert.equal(client.stats().receipts, 1);
  assert.equal(producer.stats().receipts, 1);
  assert.equal(client.proxy, null);
});

test('what is forgotten is given up, with a warning', async (t) => {
  const { mock } = start(t);
  const program = `
    const { Client } = require('stargate');
    process.on('warning', ({ name, message }) => console.log(name, message));
    async function forget() {
      const client = new Client('${mock.url}');
      const consumer = await client.consumer('orders', 's', { initialPosition: 'earliest' });
      await (await client.producer('orders')).send('a');
      await consumer.receive();
    }
    forget().then(() => setInterval(gc, 20));`;
  const child = spawn(process.execPath, ['--expose-gc', '-e', program], { cwd: path.join(__dirname, '..') });
  t.after(() => child.kill());
  const [warning] = await once(child.stdout.setEncoding('utf8'), 'data');
  assert.equal(warning, 'StargateWarning a client was not closed; what it had in flight is lost\n');
  await until(() => mock.connections === 0); // while the process goes on
  assert.equal(child.exitCode, null);
});
