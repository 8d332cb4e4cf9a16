'use strict';

const { timeout } = require('./convert.js');
const { waitedFor } = require('./errors.js');

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits for what `start` starts, until a signal is aborted: that rejects with its reason. What was started goes on. */
async function abortable(start, signal) {
  try {
    signal?.throwIfAborted();
    return await (signal ? unlessAborted(start(), signal) : start());
  } catch (failed) {
    throw waitedFor(failed);
  }
}

function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * Lets a signal end one of the calls that wait: it takes the call from the list that `waiting` returns, runs `removed`,
 * and rejects it with the signal's reason.
 */
function abortWith(call, signal, waiting, removed = () => {}) {
  const { resolve, reject } = call;
  const abort = () => {
    const at = waiting().indexOf(call);
    if (at >= 0) waiting().splice(at, 1);
    removed();
    reject(signal.reason);
  };
  signal.addEventListener('abort', abort, { once: true });
  call.resolve = (value) => {
    signal.removeEventListener('abort', abort);
    resolve(value);
  };
  call.reject = (failed) => {
    signal.removeEventListener('abort', abort);
    reject(failed);
  };
}

/** Returns what tells how many milliseconds are left of a time that begins now: -1 if it has no end. */
function timeLeft(limit) {
  const wait = timeout(limit);
  if (wait < 0) return () => -1;
  const end = performance.now() + wait;
  return () => Math.max(0, Math.ceil(end - performance.now()));
}

/** Calls a function after so many milliseconds; never after -1. */
function startTimer(millis, late) {
  return millis < 0 ? undefined : setTimeout(late, Math.min(millis, LONGEST_TIMER_MS));
}

/** The time of a call that waits for several things one after the other. It is to be cleared. */
function deadline(limit, signal) {
  const left = timeLeft(limit);
  const over = new AbortController();
  const end = () => over.abort();
  const timer = startTimer(left(), end);
  signal?.addEventListener('abort', end, { once: true });
  return {
    left,
    /** Waits for a promise within that time, and returns whether it has settled; throws only if `signal` is aborted. */
    async settles(promise) {
      signal?.throwIfAborted();
      const settled = promise.then(() => true, () => true);
      const inTime = await abortable(() => settled, over.signal).catch(() => false);
      signal?.throwIfAborted();
      return inTime;
    },
    clear() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    },
  };
}

module.exports = { abortable, abortWith, deadline, startTimer, timeLeft };
