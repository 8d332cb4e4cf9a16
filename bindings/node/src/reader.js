'use strict';

const { timeLeft } = require('./abort.js');
const { classes, taken } = require('./errors.js');
const { raw } = require('./library.js');
const { messagesOf } = require('./message.js');
const { constants } = require('./raw.js');
const { Receiver } = require('./receiver.js');

const { TimeoutError } = classes;
const { STARGATE_OK, STARGATE_TIMEOUT } = constants;

// How often a reader that waits for its end looks whether the delivery stopped at a message without a value.
const LOOK_MS = 1000;

const error = [null];

class Reader extends Receiver {
  async hasMessageAvailable({ timeout: limit, signal } = {}) {
    if (this._received.length > 0 && !this._closed) return true;
    const out = [0];
    await this._run('check', signal, 'has_message_available', timeLeft(limit), out);
    return out[0] === 1;
  }

  async *untilCaughtUp({ timeout: limit, signal } = {}) {
    await this._run('find the end of', signal, 'mark_end', timeLeft(limit));
    const ahead = this._ahead;
    this._ahead = 1; // what is behind the end stays where it is
    try {
      for (;;) {
        let message = this._here() ?? this.#beforeEnd();
        if (message === null) return;
        message ??= await this.#next(signal);
        if (message !== undefined) yield message;
      }
    } finally {
      this._ahead = ahead;
    }
  }

  /** Returns the next message before the end that is here; null at the end, undefined if it is to be waited for. */
  #beforeEnd() {
    this._checkOpen('receive from');
    const out = [null];
    const status = raw.stargate_reader_receive_before_end.sync(this._pointer, 0, out, error);
    if (status === STARGATE_TIMEOUT) return undefined;
    if (status !== STARGATE_OK) throw taken(status, error[0]);
    return out[0] === null ? null : messagesOf(BigUint64Array.of(BigInt(out[0])), false)[0];
  }

  async #next(signal) {
    try {
      return await this._next(LOOK_MS, signal);
    } catch (failed) {
      if (failed instanceof TimeoutError) return undefined;
      throw failed;
    }
  }
}

module.exports = { Reader };
