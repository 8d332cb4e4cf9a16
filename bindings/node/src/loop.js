'use strict';

// Connects a client of the library with the event loop of Node.js: its callbacks run when a socket is readable.

const net = require('node:net');
const { call, copied, failure, taken, waitedFor } = require('./errors.js');
const { raw } = require('./library.js');
const { dup } = require('./memory.js');
const threads = require('./threads.js');
const { forget, keep, onDone } = require('./pending.js');
const { constants } = require('./raw.js');

const EXIT_MS = 2000;
const served = [0];
const error = [null];

/**
 * The native side of a client and of what it opened. It outlives the objects of JavaScript: a finalizer gives up what
 * they forgot. So nothing in here may refer to them.
 */
class Native {
  constructor(client, end) {
    this.client = client;
    this.end = end; // of the functions among its options
    this.handles = new Map(); // pointer: kind
    this.unsent = new Set(); // the acknowledgements of this turn
    this.calls = 0; // that run on threads, or wait for a callback: until then nothing is freed
    this.waits = 0; // of the application, for which the process stays alive
    this.closed = false;
    const fd = [0];
    call('stargate_client_event_fd', client, fd);
    const copy = dup(fd[0]); // a socket of Node.js closes its descriptor, and this one is the library's
    if (copy < 0) throw failure(constants.STARGATE_INTERNAL, 'no file descriptor is left for the event loop');
    // The bytes mean nothing, so any place will do for them.
    const onread = { buffer: Buffer.alloc(64), callback: () => this.poll() };
    this.socket = new net.Socket({ fd: copy, readable: true, writable: false, onread });
    this.socket.on('error', () => {});
    this.socket.unref();
    this.socket.resume();
    open.add(this);
  }

  /** Runs the callbacks that are due. */
  poll() {
    do {
      const status = raw.stargate_client_poll.sync(this.client, 0, served, error);
      if (status !== 0) raw.stargate_error_free(error[0]);
    } while (served[0] > 0 && this.client !== null);
  }

  /** Notes a call that the library is to answer, for which the application waits. */
  started() {
    this.calls++;
    if (this.waits++ === 0) this.socket.ref();
  }

  /** Notes that the application does not wait any more. */
  abandoned() {
    if (--this.waits === 0) this.socket.unref();
  }

  /** Notes the answer of a call. */
  answered() {
    if (--this.calls === 0 && this.closed) process.nextTick(() => this.free()); // not inside of a poll
  }

  /** Both at once. */
  ended() {
    this.abandoned();
    this.answered();
  }

  /** Passes on what was acknowledged. */
  sendAcks() {
    for (const acks of this.unsent) acks.send();
  }

  /** Frees everything after a close, once nothing uses it. */
  free() {
    this.closed = true;
    if (this.client === null || this.calls > 0) return;
    this.sendAcks();
    for (const [pointer, kind] of this.handles) raw[`stargate_${kind}_free`].sync(pointer);
    raw.stargate_client_free(this.client);
    this.forget();
  }

  /** Gives up everything, without waiting: for finalizers. */
  release() {
    if (this.client === null) return;
    this.sendAcks();
    for (const [pointer, kind] of this.handles) raw[`stargate_${kind}_release`](pointer);
    raw.stargate_client_release(this.client);
    this.forget();
  }

  forget() {
    this.handles.clear();
    this.client = null;
    this.socket.destroy();
    open.delete(this);
    this.end();
  }
}

/** The clients that are open. At exit they are closed: what was accepted is sent, acknowledgements too. */
const open = new Set();

process.on('exit', () => {
  const end = Date.now() + EXIT_MS;
  for (const native of open) {
    native.sendAcks();
    const status = raw.stargate_client_close.sync(native.client, Math.max(0, end - Date.now()), error);
    if (status !== 0) raw.stargate_error_free(error[0]);
  }
});

const forgotten = new FinalizationRegistry((native) => {
  if (native.client === null) return;
  native.release();
  process.emitWarning('a client was not closed; what it had in flight is lost', 'StargateWarning');
});

/** What the objects of one client share. */
class Loop {
  constructor(client, end) {
    this.native = new Native(client, end);
    this.busy = new Set(); // handles that have work of their own to finish before a close
    forgotten.register(this, this.native);
  }

  get closed() {
    return this.native.closed;
  }

  /**
   * Calls a function that ends with a stargate_done_fn, and waits for that, at most until `signal` is aborted. `late`
   * receives the handle of a call that succeeds after that.
   */
  async done(waiting, name, ...values) {
    try {
      return await this.#done(waiting, name, values);
    } catch (failed) {
      throw waitedFor(failed);
    }
  }

  #done({ signal, late }, name, values) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const native = this.native;
      let over = false;
      const abort = () => {
        over = true;
        native.abandoned();
        reject(signal.reason);
      };
      const number = keep((status, handle, failed) => {
        signal?.removeEventListener('abort', abort);
        if (over) {
          if (status === 0) late?.(handle);
        } else {
          native.abandoned();
          if (status === 0) resolve(handle);
          else reject(copied(status, failed));
        }
        native.answered();
      });
      const status = raw[name](...values, onDone, number, null, error);
      if (status !== 0) {
        forget(number);
        throw taken(status, error[0]);
      }
      native.started();
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Calls a function that waits, on a thread. */
  async run(name, ...values) {
    this.native.started();
    try {
      await threads.run(name, ...values);
    } finally {
      this.native.ended();
    }
  }
}

module.exports = { Loop };
