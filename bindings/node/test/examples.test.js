'use strict';

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { start } = require('./broker.js');

const run = promisify(execFile);
const example = (name) => path.join(__dirname, '../examples', name);

test('orders.mjs', async (t) => {
  const { mock } = start(t);
  const { stdout } = await run(process.execPath, [example('orders.mjs'), mock.url]);
  assert.match(stdout, /^stored: .*\nstored: .*\nanna: margherita, published .*\nben: funghi, published .*\n$/);
  assert.equal(mock.backlog('orders', 'kitchen'), 0);
});

test('worker.mjs stops at a signal', async (t) => {
  const { mock } = start(t);
  mock.createSubscription('orders', 'billing', { earliest: true });
  const worker = spawn(process.execPath, [example('worker.mjs'), mock.url], { stdio: 'ignore' });
  mock.publish('orders', '{"pizza": "funghi", "price": 9}');
  await mock.wait('ack', { topic: 'orders', timeout: 60_000 }); // on a busy machine
  worker.kill('SIGTERM');
  assert.deepEqual(await once(worker, 'exit'), [0, null]);
});

test('worker.test.mjs', async () => {
  const env = { ...process.env };
  delete env.NODE_TEST_CONTEXT; // or it reports to this run
  await run(process.execPath, ['--test', example('worker.test.mjs')], { env });
});
