'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const { start, until } = require('./broker.js');

const PROGRAM = path.join(__dirname, 'programs/exits.js');

/** Runs the program in one of its ways, and returns its exit status and how long it took in milliseconds. */
async function ending(way, url) {
  const program = spawn(process.execPath, [PROGRAM, way, url], { stdio: ['ignore', 'inherit', 'inherit'] });
  const hung = setTimeout(() => program.kill('SIGKILL'), 40_000);
  const begun = performance.now();
  const [code, signal] = await once(program, 'exit');
  clearTimeout(hung);
  assert.equal(signal, null, 'it hangs');
  return { code, took: performance.now() - begun };
}

describe('a process ends', { concurrency: 3 }, () => {
  for (const [way, code] of Object.entries({ alone: 0, idle: 0, aborted: 0, worker: 0, 'exit-waits': 3, 'exit-callback': 3 })) {
    it(way, async (t) => {
      const { mock } = start(t);
      const end = await ending(way, mock.url);
      assert.equal(end.code, code);
    });
  }

  for (const [way, code] of Object.entries({ sends: 0, crowd: 0, 'exit-sends': 3 })) {
    it(way, async (t) => {
      const { mock } = start(t);
      assert.equal((await ending(way, mock.url)).code, code);
      assert.equal(mock.messages('orders').length, 100);
    });
  }

  it('exit-acks', async (t) => {
    const { mock } = start(t);
    mock.createSubscription('orders', 'billing', { earliest: true });
    for (let number = 0; number < 10; number++) mock.publish('orders', `${number}`);
    assert.equal((await ending('exit-acks', mock.url)).code, 3);
    await until(() => mock.backlog('orders', 'billing') === 0);
  });

  it('while receipts do not come, soon after the two seconds', async (t) => {
    const { mock } = start(t);
    mock.fault('send', 'no-receipt', { count: Infinity });
    const end = await ending('exit-sends', mock.url);
    assert.equal(end.code, 3);
    assert.ok(end.took < 30_000, `it took ${end.took} ms`);
  });
});
