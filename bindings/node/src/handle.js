'use strict';

// What producers, consumers and readers have in common.

const { abortable, deadline, timeLeft } = require('./abort.js');
const { camelKeys, timeout } = require('./convert.js');
const { call, failure } = require('./errors.js');
const { raw } = require('./library.js');
const { given, view } = require('./memory.js');
const { withOptions } = require('./options.js');
const { constants } = require('./raw.js');

const CLOSE_MS = 10_000;

const forgotten = new FinalizationRegistry(({ native, pointer, kind, end }) => {
  if (native.handles.delete(pointer)) raw[`stargate_${kind}_release`](pointer);
  end();
});

class Handle {
  constructor(loop, kind, pointer, end) {
    this._loop = loop;
    this._kind = kind;
    this._pointer = pointer;
    this._end = end;
    this._wasClosed = false;
    this._topic = view(raw[`stargate_${kind}_topic`](pointer));
    loop.native.handles.set(pointer, kind);
    forgotten.register(this, { native: loop.native, pointer, kind, end });
  }

  get topic() {
    return this._topic;
  }

  get isConnected() {
    return !this._loop.closed && raw[`stargate_${this._kind}_is_connected`](this._pointer) === 1;
  }

  async waitConnected({ timeout: limit, signal } = {}) {
    await this._run('wait for', signal, 'wait_connected', timeLeft(limit));
  }

  stats() {
    if (this._loop.closed) this._checkOpen('count for');
    this._loop.native.sendAcks();
    const out = [null];
    call(`stargate_${this._kind}_stats_json`, this._pointer, out);
    return camelKeys(given(out[0]));
  }

  async close({ timeout: limit = CLOSE_MS, signal } = {}) {
    const end = deadline(limit, signal);
    try {
      const finished = await this._finish(end);
      if (!this._closed) {
        this._loop.native.sendAcks();
        await this._loop.done({ signal }, `stargate_${this._kind}_close_async`, this._pointer, end.left());
        this._wasClosed = true;
        this._end();
      }
      if (!finished) throw unfinished(this._topic);
    } finally {
      end.clear();
    }
  }

  get _closed() {
    return this._wasClosed || this._loop.closed;
  }

  /** Ends what goes on in JavaScript, within a deadline, and returns whether it has ended. */
  async _finish(_end) {
    return true;
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }

  /** Throws if it is closed, or the client is. */
  _checkOpen(operation) {
    if (!this._closed) return;
    const what = this._loop.closed ? 'client' : 'handle';
    throw failure(constants.STARGATE_CLOSED, `${operation} ${this._topic}: the ${what} is closed`, { topic: this._topic });
  }

  /** Calls a function that waits, on a thread. */
  async _run(operation, signal, name, ...values) {
    await abortable(() => this._call(operation, name, ...values), signal);
  }

  /** The same to the end of the call. This method waits for that, and so the garbage collector keeps the handle. */
  async _call(operation, name, ...values) {
    this._checkOpen(operation);
    this._loop.native.sendAcks();
    await this._loop.run(`stargate_${this._kind}_${name}`, this._pointer, ...values);
  }
}

/** The error of a close whose time is over. */
function unfinished(what) {
  return failure(constants.STARGATE_TIMEOUT, `close ${what}: a handler still runs`, { retriable: true });
}

/** Opens a handle: a `Class` of what `stargate_KIND_open...` with these arguments gives. */
async function open(loop, Class, kind, name, values, options = {}) {
  const { timeout: limit, signal, ...rest } = options;
  signal?.throwIfAborted();
  if (loop.closed) throw failure(constants.STARGATE_CLOSED, `open ${kind} ${values[0]}: the client is closed`);
  return await withOptions(rest, async (set, end) => {
    const late = (pointer) => raw[`stargate_${kind}_release`](pointer);
    try {
      const pointer = await loop.done({ signal, late }, name, loop.native.client, ...values, set, timeout(limit));
      return new Class(loop, kind, pointer, end, rest);
    } catch (error) {
      end();
      throw error;
    }
  });
}

module.exports = { CLOSE_MS, Handle, open, unfinished };
