'use strict';

const { waitedFor } = require('./errors.js');

/** Ends a wait as soon as a signal is aborted, with its reason. What is waited for goes on. */
async function abortable(promise, signal) {
  try {
    return await (signal ? unlessAborted(promise, signal) : promise);
  } catch (failed) {
    throw waitedFor(failed);
  }
}

function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
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

/** The end of a time of so many milliseconds, -1 for none: what is left of it, and a signal. It is to be cleared. */
function deadline(limit) {
  if (limit < 0) return { left: () => -1, signal: undefined, clear() {} };
  const end = performance.now() + limit;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), Math.min(limit, 2 ** 31 - 1));
  return {
    left: () => Math.max(0, Math.ceil(end - performance.now())),
    signal: abort.signal,
    clear: () => clearTimeout(timer),
  };
}

module.exports = { abortable, abortWith, deadline };
