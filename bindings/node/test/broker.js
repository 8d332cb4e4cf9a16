'use strict';

// What the tests share: a mock broker and a client for each test, closed after it.

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

/** Waits until a condition holds. */
async function until(holds, what) {
  const end = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`this did not happen within 10 seconds: ${what ?? holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

module.exports = { start, until };
