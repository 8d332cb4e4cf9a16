'use strict';

// Calls that wait, on threads of koffi's.

const { isMainThread } = require('node:worker_threads');
const { taken } = require('./errors.js');
const { raw } = require('./library.js');
const { exitNow } = require('./memory.js');

let running = 0;

/** Node.js waits for such threads when it ends. After process.exit nobody wants what they wait for. */
function endWithout(code) {
  if (running > 0) exitNow(code);
}

/** Calls a function of the library that waits; rejects with its error. */
async function run(name, ...values) {
  const error = [null];
  if (isMainThread && running === 0) {
    process.off('exit', endWithout);
    process.on('exit', endWithout); // the last of the listeners
  }
  running++;
  let status;
  try {
    status = await raw[name](...values, error);
  } finally {
    running--;
  }
  if (status !== 0) throw taken(status, error[0]);
}

module.exports = { run };
