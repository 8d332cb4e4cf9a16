'use strict';

// The calls that wait for a callback of the library. It gets a number as its `user_data`, which is a place here.

const koffi = require('koffi');
const { types } = require('./raw.js');

const waiting = [null]; // number: what to call; 0 stands for nothing
const unused = [];

// Those that may be called often, and late: a handle is also closed in the background. So no number is used again.
const lasting = new Map();
let last = 0;

/** Keeps a callback, and returns its number. */
function keep(callback) {
  const number = unused.length > 0 ? unused.pop() : waiting.length;
  waiting[number] = callback;
  return number;
}

/** Forgets a callback, and returns it. */
function forget(number) {
  const callback = waiting[number];
  waiting[number] = null;
  unused.push(number);
  return callback;
}

/** Keeps a callback that may be called often, and returns its number. */
function keepLasting(callback) {
  lasting.set(++last, callback);
  return last;
}

/** Registers the one function that C calls for a kind of callbacks. Nothing may be thrown into C. */
function register(type, receive) {
  return koffi.register((number, ...values) => {
    try {
      return receive(number, ...values);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
      return undefined;
    }
  }, koffi.pointer(type));
}

// These come once: the number ends with them.
const onDone = register(types.stargate_done_fn, (number, status, handle, error) =>
  forget(number)(status, handle, error),
);
const onSent = register(types.stargate_sent_fn, (number, status, id, length, error) =>
  forget(number).sent(status, id, length, error),
);
const onReport = register(types.stargate_delivery_report_fn, (number, report) => forget(number)(report));
const onReceived = register(types.stargate_received_fn, (number, status, messages, count, error) =>
  forget(number)(status, messages, count, error),
);

const onState = register(types.stargate_state_fn, (number, change) => lasting.get(number)?.(change));

module.exports = { forget, keep, keepLasting, lasting, onDone, onReceived, onReport, onSent, onState, register };
