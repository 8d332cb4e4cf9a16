'use strict';

// Runs a handler on the messages of a consumer or reader.

const { abortable } = require('./abort.js');
const { timeout } = require('./convert.js');
const { classes, invalid, warn } = require('./errors.js');

const { ClosedError } = classes;

class Pump {
  #receiver;
  #handler;
  #onError;
  #running = new Set();
  #lastOfKey = new Map();
  #stopping = new AbortController();

  constructor(receiver, handler, onError) {
    this.#receiver = receiver;
    this.#handler = handler;
    this.#onError = onError ?? report;
    this.ended = this.#run();
    this.ended.catch(() => {});
  }

  /** Waits until it ends. */
  wait(signal) {
    return abortable(() => this.ended, signal);
  }

  /** Takes no more messages, and waits for the handlers that run; returns whether all have ended. */
  stop(end) {
    this.#stopping.abort();
    return end.settles(this.ended);
  }

  async #run() {
    const { signal } = this.#stopping;
    const { _processors: most, _ordering: ordering } = this.#receiver;
    try {
      while (!signal.aborted) {
        const message = await this.#receiver._next(-1, signal);
        const work = ordering === 'key' && message.key !== null ? this.#afterItsKey(message) : this.#handle(message);
        this.#running.add(work);
        work.finally(() => this.#running.delete(work));
        if (this.#running.size >= most) await Promise.race(this.#running);
      }
    } catch (error) {
      if (!signal.aborted && !(error instanceof ClosedError)) throw error;
    } finally {
      await Promise.all(this.#running);
    }
  }

  /** Handles a message after the one before it that has the same key. */
  #afterItsKey(message) {
    const before = this.#lastOfKey.get(message.key) ?? Promise.resolve();
    const work = before.then(() => this.#handle(message));
    this.#lastOfKey.set(message.key, work);
    work.finally(() => {
      if (this.#lastOfKey.get(message.key) === work) this.#lastOfKey.delete(message.key);
    });
    return work;
  }

  /** Handles a message. This never fails. */
  async #handle(message) {
    let outcome;
    try {
      outcome = checked(await this.#handler(message));
    } catch (error) {
      outcome = await this.#failed(message, error);
    }
    try {
      await this.#receiver._settle(message, outcome);
    } catch (error) {
      if (!(error instanceof ClosedError)) warn(error);
    }
  }

  async #failed(message, error) {
    try {
      return checked((await this.#onError(error, message)) ?? 'nack');
    } catch (another) {
      warn(another);
      return 'nack';
    }
  }
}

function report(error, message) {
  const text = `the handler of ${message.topic} failed: ${error?.stack ?? error}`;
  process.emitWarning(text, 'StargateHandlerWarning');
}

/** Returns an outcome, or fails for what is none. */
function checked(outcome) {
  if (outcome === undefined || outcome === null) return 'ack';
  if (outcome === 'ack' || outcome === 'nack' || outcome === 'continue') return outcome;
  if (typeof outcome === 'object' && 'reconsumeLater' in outcome) {
    return { reconsumeLater: timeout(outcome.reconsumeLater, 'reconsumeLater') };
  }
  throw invalid(`a handler returned ${String(outcome)}: expected nothing, 'ack', 'nack', 'continue' or { reconsumeLater: milliseconds }`);
}

module.exports = { Pump };
