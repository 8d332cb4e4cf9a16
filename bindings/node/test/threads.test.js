'use strict';

// Calls that wait on the threads of Node.js.

const assert = require('node:assert/strict');
const fs = require('node:fs/promises');
const { test } = require('node:test');
const { slow, start, until } = require('./broker.js');

test('hundreds of requests at once all get their turn', async (t) => {
  const { client } = start(t);
  const found = await Promise.all(Array.from({ length: 300 }, () => client.admin.tenants()));
  assert.ok(found.every((tenants) => tenants.includes('public')));
});

test('requests that wait leave a thread for the rest of the program', async (t) => {
  const { adminUrl, asked } = await slow(t);
  const { client } = start(t, { adminUrl });
  const requests = Promise.allSettled(Array.from({ length: 8 }, () => client.admin.tenants({ timeout: 500 })));
  await until(() => asked() >= 3);
  const begun = performance.now();
  await fs.readFile(__filename);
  assert.ok(performance.now() - begun < 400);
  await requests;
});

test('the time that a request waits for a thread counts', async (t) => {
  const { adminUrl, asked } = await slow(t);
  const { client } = start(t, { adminUrl });
  const begun = performance.now();
  const first = Array.from({ length: 3 }, () => client.admin.tenants({ timeout: 1000 }));
  const ends = await Promise.allSettled([...first, client.admin.tenants({ timeout: 100 }), client.admin.tenants({ timeout: 1500 })]);
  const took = performance.now() - begun;
  assert.deepEqual(ends.map(({ reason }) => reason.kind), new Array(5).fill('timeout'));
  assert.match(ends[3].reason.message, /no thread was free within 100 ms/);
  assert.ok(took > 1400 && took < 2200, `${took} ms`);
  assert.equal(asked(), 4); // the one without a thread was not made
});
