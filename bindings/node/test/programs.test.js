'use strict';

// The programs for long runs, bounded. The README says how to run them long.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { measure } = require('./programs/cost.js');
const { survive } = require('./programs/outage.js');

const run = promisify(execFile);

test('2000 messages reach a handler over a broker that is killed three times', async () => {
  const { reconnects } = await survive(2000, 3);
  assert.ok(reconnects >= 3);
});

test('nothing is left behind by 60 cycles and 20,000 messages', async () => {
  const program = path.join(__dirname, 'programs/leaks.js');
  const { stdout } = await run(process.execPath, ['--expose-gc', program, '60', '20000']);
  const growths = [...stdout.matchAll(/: (-?[\d.]+) MiB, (-?\d+) descriptors more/g)].map((found) => found.slice(1).map(Number));
  assert.equal(growths.length, 2, stdout);
  for (const [memory, descriptors] of growths) assert.ok(memory < 25 && descriptors <= 2, stdout);
});

test('a message costs little more than in C', async () => {
  for (const { name, node, c } of await measure(20_000)) {
    assert.ok(node < 60, `${name}: ${node} us`); // this machine may be busy with other tests
    assert.ok(c === undefined || node < 12 * c, `${name}: ${node} us, in C ${c}`);
  }
});
