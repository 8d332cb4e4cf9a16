'use strict';

// A mock broker in a process of its own, so that neither its memory nor its time counts.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { MockBroker } = require('stargate/testing');

/** Calls `work` with the URL of such a broker, which ends after it. */
async function withMock(work) {
  const child = spawn(process.execPath, [__filename], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const [url] = await once(child.stdout.setEncoding('utf8'), 'data');
    return await work(url.trim());
  } finally {
    child.stdin.end();
  }
}

if (require.main === module) {
  const mock = new MockBroker();
  console.log(mock.url);
  process.stdin.on('end', () => mock.close()).resume();
}

module.exports = { withMock };
