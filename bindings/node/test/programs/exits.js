'use strict';

// Ends with work pending, in the way that the argument names: `exits.js WAY URL`. The test looks whether it ends.

const { once } = require('node:events');
const net = require('node:net');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const { Client } = require('stargate');

/** Returns the URL of a server that accepts, and never answers. */
async function nobody() {
  const server = net.createServer((socket) => socket.unref()).listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return `ws://127.0.0.1:${server.address().port}`;
}

const ways = {
  /** An open client, and handles without work: the process ends by itself. */
  async idle(url) {
    const client = new Client(url);
    await client.producer('orders');
    await client.consumer('orders', 'billing');
    await client.reader('orders');
  },

  /** A client that opened nothing. */
  async alone(url) {
    new Client(url);
  },

  /** Sends whose receipts are not waited for are work. */
  async sends(url) {
    const producer = await new Client(url).producer('orders');
    for (let number = 0; number < 100; number++) producer.send(`${number}`);
  },

  /** More than there is room for. */
  async crowd(url) {
    const producer = await new Client(url).producer('orders', { maxPendingMsg: 5 });
    for (let number = 0; number < 100; number++) producer.send(`${number}`);
  },

  /** Exits at once, with sends in flight: they were accepted, and are sent. */
  async 'exit-sends'(url) {
    const producer = await new Client(url).producer('orders');
    const payload = Buffer.alloc(100_000);
    for (let number = 0; number < 100; number++) producer.send(payload);
    process.exit(3);
  },

  /** Exits with acknowledgements of this turn. */
  async 'exit-acks'(url) {
    const consumer = await new Client(url).consumer('orders', 'billing', { initialPosition: 'earliest' });
    for (const message of await consumer.receiveMany(10)) consumer.ack(message);
    process.exit(3);
  },

  /** Exits while everything waits. */
  async 'exit-waits'(url) {
    const silent = await nobody();
    const client = new Client(url, { adminUrl: silent.replace('ws', 'http'), lazy: true });
    const consumer = await client.consumer('orders', 'billing');
    const reader = await new Client(url).reader('orders');
    const ignore = () => {};
    consumer.receive().catch(ignore);
    reader.listen(() => new Promise(() => {}));
    for (let number = 0; number < 8; number++) consumer.backlog().catch(ignore);
    new Client(silent).producer('orders').catch(ignore);
    setTimeout(() => process.exit(3), 50);
  },

  /** Exits in a callback of the library. */
  async 'exit-callback'(url) {
    await new Client(url, { onState: () => process.exit(3) }).producer('orders');
  },

  /** An aborted open is no work. */
  async aborted(url) {
    const opening = new Client(await nobody()).producer('orders', { signal: AbortSignal.timeout(50) });
    await opening.catch(() => {});
    const consumer = await new Client(url).consumer('orders', 'billing');
    await consumer.receive({ signal: AbortSignal.timeout(20) }).catch(() => {});
  },

  /** A worker thread ends, and is ended, with work pending. */
  async worker(url) {
    for (const kind of ['ends', 'is ended']) {
      const worker = new Worker(__filename, { workerData: url });
      await once(worker, 'message');
      if (kind === 'is ended') await worker.terminate();
      else {
        worker.postMessage('end');
        await once(worker, 'exit');
      }
    }
  },
};

async function inWorker(url) {
  const { parentPort } = require('node:worker_threads');
  const client = new Client(url);
  const producer = await client.producer('orders');
  const consumer = await client.consumer('orders', 'billing', { subscriptionType: 'shared' });
  consumer.listen(() => {});
  await producer.send('from a worker');
  producer.send('without a receipt');
  parentPort.once('message', () => process.exit());
  parentPort.postMessage('ready');
}

if (isMainThread) ways[process.argv[2]](process.argv[3]);
else inWorker(workerData);
