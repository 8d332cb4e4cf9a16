'use strict';

// Stargate through its Node package: `send`, a promise for each message, and the consumer's async iterator.

const { Client } = require('stargate');
const { Meter, Payloads, workloadOfArguments } = require('./workload.js');

async function send(client, workload) {
  const producer = await client.producer(workload.topic, {
    maxPendingMsg: workload.window,
    batchEnabled: workload.batched,
  });
  const meter = new Meter(workload);
  const payloads = new Payloads(workload.size);
  let ended = false;
  const confirm = (begun) => {
    if (begun !== undefined) meter.latency(performance.now() - begun);
    if (ended || meter.done(1)) return;
    ended = true;
    meter.report();
  };
  for (let number = 0; !ended; number++) {
    const begun = number % meter.timed === 0 ? performance.now() : undefined;
    producer.send(payloads.get(number)).then(() => confirm(begun));
    await producer.ready(); // until there is room
  }
}

async function receive(client, workload) {
  const consumer = await client.consumer(workload.topic, workload.subscription, {
    queueSize: workload.window,
    initialPosition: 'earliest',
  });
  const meter = new Meter(workload);
  for await (const message of consumer) {
    consumer.ack(message);
    if (!meter.done(1)) break;
  }
  meter.report();
}

const workload = workloadOfArguments();
const client = new Client(workload.url);
(workload.role === 'send' ? send : receive)(client, workload);
