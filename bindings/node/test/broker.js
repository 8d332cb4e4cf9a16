'use strict';

// What the tests share: a mock broker and a client for each test, closed after it.

const { once } = require('node:events');
const net = require('node:net');
const { Client } = require('stargate');
const { MockBroker } = require('stargate/testing');

/** Starts a mock broker and opens a client of it. */
function start(test, { broker, ...options } = {}) {
  const mock = new MockBroker(broker);
  const client = new Client(mock.url, options);
  test.after(async () => {
    mock.up();
    await client.close();
    mock.close();
  });
  return { mock, client };
}

/** Returns the URL of a server for requests of the REST API that are answered when `answer` is called. */
async function slow(t, body = '{}') {
  const sockets = [];
  const server = net.createServer((socket) => sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const answer = () => {
    for (const socket of sockets.splice(0)) {
      socket.end(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    }
  };
  t.after(() => {
    answer();
    server.close();
  });
  return { adminUrl: `http://127.0.0.1:${server.address().port}`, answer, asked: () => sockets.length };
}

/** Waits until a condition holds. */
async function until(holds, what) {
  const end = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`this did not happen within 10 seconds: ${what ?? holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

module.exports = { slow, start, until };
