'use strict';

// Calls that wait, on the threads of Node.js, which the application needs too for files, names and compression.

const { isMainThread } = require('node:worker_threads');
const { startTimer } = require('./abort.js');
const { failure, taken } = require('./errors.js');
const { raw } = require('./library.js');
const { exitNow } = require('./memory.js');
const { constants } = require('./raw.js');

// There are four unless UV_THREADPOOL_SIZE says otherwise.
const MOST = 3;

let running = 0;
const queue = []; // what starts the calls for which there is no thread yet

/** Node.js waits for such threads when it ends. After process.exit nobody wants what they wait for. */
function endWithout(code) {
  if (running > 0) exitNow(code);
}

/**
 * Calls a function of the library that waits; rejects with its error. Of the values, the one that is a function of
 * timeLeft stands for the timeout.
 */
async function run(name, ...values) {
  if (isMainThread && running === 0) {
    process.off('exit', endWithout);
    process.on('exit', endWithout); // behind the listeners that there are now
  }
  if (running < MOST) running++;
  else await turn(values.find((value) => typeof value === 'function'));
  const error = [null];
  let status;
  try {
    status = await raw[name](...values.map((value) => (typeof value === 'function' ? value() : value)), error);
  } finally {
    if (queue.length > 0) queue.shift()();
    else running--;
  }
  if (status !== 0) throw taken(status, error[0]);
}

/** Waits until another call has ended, whose thread is then free. */
function turn(left) {
  return new Promise((resolve, reject) => {
    const limit = left();
    const timer = startTimer(limit, () => {
      queue.splice(queue.indexOf(start), 1);
      reject(failure(constants.STARGATE_TIMEOUT, `no thread was free within ${limit} ms`, { retriable: true }));
    });
    const start = () => {
      clearTimeout(timer);
      resolve();
    };
    queue.push(start);
  });
}

module.exports = { run };
