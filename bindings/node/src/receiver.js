'use strict';

// What consumers and readers have in common: receiving.

const { abortable, abortWith, startTimer, timeLeft } = require('./abort.js');
const { aFunction, timeout, whole, time } = require('./convert.js');
const { call, classes, copied, failure, invalid, taken, waitedFor } = require('./errors.js');
const { Handle } = require('./handle.js');
const { Pump } = require('./pump.js');
const { raw } = require('./library.js');
const { messagesAt } = require('./message.js');
const { MessageId } = require('./message_id.js');
const { given } = require('./memory.js');
const { optionOf } = require('./options.js');
const { forget, keep, onReceived } = require('./pending.js');
const { constants } = require('./raw.js');

const { ClosedError, TimeoutError } = classes;
const { STARGATE_OK, STARGATE_TIMEOUT, STARGATE_INTERRUPTED } = constants;

// How many messages are taken from the library at a time, to be given out one by one.
const AHEAD = 100;

const error = [null];

class Receiver extends Handle {
  #waiters = []; // the calls that wait, in their order
  #request = null; // the receive of the library that runs: when it ends by itself
  #held = 0; // while this is not 0, nothing is requested
  #idle = []; // called when no receive runs
  #timer; // of the calls that wait meanwhile
  #pump = null;
  #waited = false;
  #receiveAsync;

  constructor(loop, kind, pointer, end, options) {
    super(loop, kind, pointer, end);
    this.#receiveAsync = `stargate_${kind}_receive_async`;
    this._received = []; // from the library, and not given out; the next is the last
    // In pull mode a message that was taken counts as done, and the next one is requested.
    this._ahead = optionOf(options, 'pull_mode') === true ? 1 : AHEAD;
    this._processors = Number(optionOf(options, 'processors'));
    this._ordering = optionOf(options, 'ordering');
  }

  async receive({ timeout: limit, signal } = {}) {
    this.#checkNoHandler();
    try {
      return await this._next(timeout(limit), signal);
    } catch (failed) {
      throw waitedFor(failed);
    }
  }

  async receiveMany(max, { timeout: limit, signal } = {}) {
    whole('max', max, 1);
    this.#checkNoHandler();
    this._checkOpen('receive from');
    const left = timeLeft(limit);
    const messages = this.#take(max);
    while (messages.length < max) {
      try {
        messages.push(await this._next(left(), signal), ...this.#take(max - messages.length - 1));
      } catch (failed) {
        if (failed instanceof TimeoutError) break;
        this._received.push(...messages.reverse());
        this.#giveOut();
        throw failed;
      }
    }
    return messages;
  }

  [Symbol.asyncIterator]() {
    return this.messages();
  }

  messages({ signal } = {}) {
    const done = { done: true, value: undefined };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: async () => {
        if (signal?.aborted) return done;
        try {
          return { done: false, value: this._here() ?? (await this.receive({ signal })) };
        } catch (failed) {
          if (failed instanceof ClosedError || (signal?.aborted && failed === signal.reason)) return done;
          throw failed;
        }
      },
      return: () => Promise.resolve(done),
    };
  }

  listen(handler, { onError } = {}) {
    aFunction('handler', handler);
    if (this.#pump !== null) throw invalid(`listen to ${this.topic}: it has a handler already`);
    if (this.#waiters.length > 0) throw invalid(`listen to ${this.topic}: a receive is waiting, and the two exclude each other`);
    this._checkOpen('listen to');
    this.#pump = new Pump(this, handler, onError);
    this._loop.busy.add(this);
    this.#pump.ended
      .finally(() => this._loop.busy.delete(this))
      .catch((failed) => {
        // Nobody may learn it otherwise.
        if (!this.#waited) process.emitWarning(`the handler of ${this.topic} ended: ${failed.message}`, 'StargateHandlerWarning');
      });
  }

  async wait({ signal } = {}) {
    if (this.#pump === null) throw failure(constants.STARGATE_CLOSED, `wait for ${this.topic}: there is no handler`);
    this.#waited = true;
    return this.#pump.wait(signal);
  }

  async seek(to, { after = false, timeout: limit, signal } = {}) {
    const left = timeLeft(limit);
    const [name, ...position] = to instanceof Date ? ['seek_time', time('to', to)] : ['seek', `${MessageId.from(to)}`, Number(after)];
    const seek = async () => {
      await this._call('seek in', name, ...position, left);
      this._received.length = 0;
    };
    await abortable(() => this.#withoutReceives(seek), signal);
  }

  async isEndOfTopic({ timeout: limit, signal } = {}) {
    const out = [0];
    await this._run('check the end of', signal, 'is_end_of_topic', timeLeft(limit), out);
    return out[0] === 1;
  }

  async lastMessageIds({ timeout: limit, signal } = {}) {
    const [out, left] = [[null], timeLeft(limit)];
    const ids = () => this._call('get the last message ids of', 'last_message_ids_json', left, out).then(() => given(out[0]));
    return JSON.parse(await abortable(ids, signal)).map((id) => new MessageId(id));
  }

  /** Does what a handler decided: nothing, since a reader acknowledges nothing. */
  async _settle(_message, _outcome) {}

  async _finish(end) {
    return this.#pump === null || this.#pump.stop(end);
  }

  /** Waits for the next message, at most `limit` milliseconds; -1 is without limit. */
  _next(limit, signal) {
    const message = this._here();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this._checkOpen('receive from');
      const waiter = { resolve, reject, limit, end: limit < 0 ? Infinity : performance.now() + limit };
      if (signal) {
        abortWith(waiter, signal, () => this.#waiters, () => {
          if (this.#waiters.length === 0) this.#interrupt();
        });
      }
      this.#waiters.push(waiter);
      this.#receive();
    });
  }

  /** Takes the next message, if it is here and nobody waits for it. */
  _here() {
    return this.#waiters.length === 0 && !this._closed ? this._received.pop() : undefined;
  }

  #checkNoHandler() {
    if (this.#pump !== null) throw invalid(`receive from ${this.topic}: it has a handler, and the two exclude each other`);
  }

  /** Takes up to `max` of the messages that are here. */
  #take(max) {
    const count = Math.min(max, this._received.length);
    return this._received.splice(this._received.length - count, count).reverse();
  }

  /** Has one receive of the library running while a call waits, with the time of the most impatient. */
  #receive() {
    clearTimeout(this.#timer);
    if (this.#waiters.length === 0) return;
    const end = Math.min(...this.#waiters.map((waiter) => waiter.end));
    const limit = end === Infinity ? -1 : Math.max(0, Math.ceil(end - performance.now()));
    if (this.#held > 0) {
      this.#timer = startTimer(limit, () => {
        this.#endLate();
        this.#receive();
      });
      return;
    }
    if (this.#request !== null) {
      if (end < this.#request.end) this.#interrupt();
      return;
    }
    const request = { end, interrupted: false };
    const { native } = this._loop;
    const number = keep((status, messages, count, failed) => {
      native.ended();
      this.#request = null;
      this.#answer(status, messages, Number(count), failed);
      for (const resolve of this.#idle.splice(0)) resolve();
      this.#receive();
    });
    const max = this._ahead === 1 ? this.#waiters.length : this._ahead;
    const status = raw[this.#receiveAsync](this._pointer, max, limit, onReceived, number, null, error);
    if (status === STARGATE_OK) {
      this.#request = request;
      native.started();
    } else {
      forget(number);
      this.#fail(taken(status, error[0]));
    }
  }

  #answer(status, pointer, count, failed) {
    if (status === STARGATE_OK) {
      const messages = messagesAt(pointer, count, this._kind === 'consumer');
      this._received.unshift(...messages.reverse());
      this.#giveOut();
    } else if (status === STARGATE_TIMEOUT) {
      this.#endLate();
    } else if (status !== STARGATE_INTERRUPTED) {
      this.#fail(copied(status, failed));
    }
  }

  /** Gives what is here to the calls that wait. */
  #giveOut() {
    while (this.#waiters.length > 0 && this._received.length > 0) this.#waiters.shift().resolve(this._received.pop());
    if (this.#waiters.length === 0) this.#interrupt();
  }

  /** Ends the calls whose time is over. */
  #endLate() {
    const now = performance.now();
    const late = this.#waiters.filter((waiter) => waiter.end <= now);
    this.#waiters = this.#waiters.filter((waiter) => waiter.end > now);
    for (const { reject, limit } of late) reject(this.#nothing(limit));
  }

  #nothing(limit) {
    const text = `receive from ${this.topic}: nothing arrived within ${limit} ms`;
    return failure(STARGATE_TIMEOUT, text, { topic: this.topic, retriable: true });
  }

  #fail(failed) {
    for (const { reject } of this.#waiters.splice(0)) reject(failed);
  }

  #interrupt() {
    if (this.#request === null || this.#request.interrupted) return;
    this.#request.interrupted = true;
    call(`stargate_${this._kind}_interrupt`, this._pointer);
  }

  /** Runs `work` while nothing is received, so that what arrives after it is of after it. */
  async #withoutReceives(work) {
    this.#held++;
    try {
      if (this.#request !== null) {
        this.#interrupt();
        await new Promise((resolve) => {
          this.#idle.push(resolve);
        });
      }
      await work();
    } finally {
      this.#held--;
      this.#receive();
    }
  }
}

module.exports = { Receiver };
