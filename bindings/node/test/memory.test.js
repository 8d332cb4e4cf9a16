'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');

// A program of its own: memory of other tests does not count.
const PROGRAM = `
const koffi = require('koffi');
const { structs } = require('./src/memory.js');
const { types } = require('./src/raw.js');
const results = Buffer.alloc(2 * koffi.sizeof(types.stargate_send_result));
const read = () => { for (let round = 0; round < 500_000; round++) structs(results, types.stargate_send_result, 2); };
const memory = () => { global.gc(); return process.memoryUsage.rss(); };
read();
const begun = memory();
read();
console.log(memory() - begun);
`;

test('arrays of structs are read without a trace', () => {
  const read = spawnSync(process.execPath, ['--expose-gc', '-e', PROGRAM], { cwd: `${__dirname}/..`, encoding: 'utf8' });
  assert.equal(read.stderr, '');
  assert.ok(Number(read.stdout) < 2 * 2 ** 20, `${read.stdout.trim()} bytes more`);
});
