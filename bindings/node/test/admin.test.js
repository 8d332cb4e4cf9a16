'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { start } = require('./broker.js');

test('tenants and namespaces come and go with their policies', async (t) => {
  const { admin } = start(t).client;
  await admin.createTenant('shop', { adminRoles: ['anna', 'ben'] });
  assert.equal(await admin.ensureTenant('shop'), false);
  assert.deepEqual((await admin.tenant('shop')).adminRoles, ['anna', 'ben']);
  assert.ok((await admin.tenants()).includes('shop'));
  assert.equal(await admin.ensureNamespace('shop/food'), true);
  assert.deepEqual(await admin.namespaces('shop'), ['shop/food']);
  assert.equal(await admin.messageTtl('shop/food'), null);
  await admin.setMessageTtl('shop/food', 60);
  assert.equal(await admin.messageTtl('shop/food'), 60);
  assert.equal(await admin.deduplication('shop/food'), null);
  await admin.setDeduplication('shop/food', true);
  assert.equal(await admin.deduplication('shop/food'), true);
  assert.equal(await admin.retention('shop/food'), null);
  await admin.setRetention('shop/food', 10, -1);
  assert.deepEqual(await admin.retention('shop/food'), { retentionTimeInMinutes: 10, retentionSizeInMB: -1 });
  await admin.deleteNamespace('shop/food');
  await admin.deleteTenant('shop');
  await assert.rejects(admin.tenant('shop'), { name: 'NotFoundError', httpStatus: 404 });
});

test('topics come and go, and are walked over', async (t) => {
  const { client, mock } = start(t);
  const { admin } = client;
  await admin.createTopic('orders');
  assert.equal(await admin.ensureTopic('orders'), false);
  await admin.createPartitionedTopic('bills', 2);
  assert.equal(await admin.partitions('bills'), 2);
  await admin.growPartitions('bills', 3);
  const names = ['bills-partition-0', 'bills-partition-1', 'bills-partition-2', 'orders'];
  const full = names.map((name) => `persistent://public/default/${name}`);
  assert.deepEqual((await admin.topics('public/default')).sort(), full);
  const walked = [];
  for await (const topic of admin.walkTopics({ tenant: 'public' })) walked.push(topic);
  assert.deepEqual(walked.sort(), full);
  assert.deepEqual(await admin.partitionedTopics('public/default'), ['persistent://public/default/bills']);
  const id = mock.publish('orders', 'a');
  const [last] = await admin.terminateTopic('orders');
  assert.ok(last.equals(id));
  const producer = client.producer('orders', { timeout: 5000 });
  await assert.rejects(producer.then((opened) => opened.send('late')), { kind: 'topic_terminated' });
  await admin.deleteTopic('orders', { force: true });
});

test('a subscription is moved and looked at', async (t) => {
  const { client, mock } = start(t);
  const { admin } = client;
  const ids = [...'abcd'].map((payload) => mock.publish('orders', payload, { key: 'k' }));
  await admin.createSubscription('orders', 'billing', 'earliest');
  assert.equal(await admin.ensureSubscription('orders', 'billing', 'earliest'), false);
  assert.deepEqual(await admin.subscriptions('orders'), ['billing']);
  assert.deepEqual((await admin.peek('orders', 'billing', { max: 2 })).map((message) => message.text()), ['a', 'b']);
  await admin.skip('orders', 'billing', 1);
  await admin.seek('orders', 'billing', ids[1], { after: true });
  const [next] = await admin.peekEntry('orders', 'billing', 1);
  assert.equal(next.text(), 'c');
  assert.equal(next.key, 'k');
  await admin.seekTime('orders', 'billing', new Date(0));
  assert.equal(mock.backlog('orders', 'billing'), 4);
  await admin.skipAll('orders', 'billing');
  assert.equal(mock.backlog('orders', 'billing'), 0);
  assert.ok((await admin.lastMessageId('orders')).equals(ids[3]));
  assert.ok((await admin.messageIdAt('orders', 0)).equals(ids[0]));
  assert.equal((await admin.readEntry('orders', ids[2]))[0].text(), 'c');
  assert.equal((await admin.topicStats('orders')).msgInCounter, 4);
  await admin.setSubscriptionProperties('orders', 'billing', { owner: 'anna' });
  assert.deepEqual(await admin.subscriptionProperties('orders', 'billing'), { owner: 'anna' });
  await admin.deleteSubscription('orders', 'billing');
  assert.deepEqual(await admin.subscriptions('orders'), []);
});

test('a schema has versions', async (t) => {
  const { admin } = start(t).client;
  assert.equal(await admin.uploadSchema('orders', '{"type": "STRING"}'), 0);
  assert.equal((await admin.schema('orders')).type, 'STRING');
  assert.equal((await admin.schemas('orders'))[0].version, 0);
  const asked = await admin.testSchemaCompatibility('orders', '{"type": "INT8"}');
  assert.equal(asked.compatibility, false);
  await admin.deleteSchema('orders');
  await assert.rejects(admin.schema('orders', { version: 0 }), { name: 'NotFoundError' });
});

test('any other request, and mistakes', async (t) => {
  const { client } = start(t);
  const { status, body } = await client.admin.request('GET', 'tenants');
  assert.equal(status, 200);
  assert.ok(body.includes('public'));
  await assert.rejects(client.admin.request('GET', '/nowhere'), { httpStatus: 404 });
  await assert.rejects(client.admin.createTopic(7), { name: 'InvalidArgumentError' });
  await assert.rejects(client.admin.createTenant('a', { adminRoles: 'anna' }), { name: 'InvalidArgumentError' });
  await assert.rejects(client.admin.tenants({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  await client.close();
  await assert.rejects(client.admin.tenants(), { name: 'ClosedError' });
});
