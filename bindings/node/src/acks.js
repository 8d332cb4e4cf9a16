'use strict';

const { raw } = require('./library.js');

const error = [null];

/**
 * The acknowledgements of a consumer. Those of one turn of the event loop are passed on together: each call would wake
 * the library's thread. This refers to no object of the application, as all that a finalizer needs.
 */
class Acks {
  #native;
  #consumer;
  #handles = [];

  constructor(native, consumer) {
    this.#native = native;
    this.#consumer = consumer;
  }

  /** Takes over the handle of a message. */
  add(handle) {
    if (this.#handles.push(handle) > 1) return;
    this.#native.unsent.add(this);
    process.nextTick(() => this.send());
  }

  /** Passes on what is there. What cannot be acknowledged any more is redelivered. */
  send() {
    if (this.#handles.length === 0) return;
    const handles = BigUint64Array.from(this.#handles.splice(0));
    this.#native.unsent.delete(this);
    if (raw.stargate_consumer_ack_many(this.#consumer, handles, handles.length, error) !== 0) {
      raw.stargate_error_free(error[0]);
    }
    raw.stargate_messages_free(handles, handles.length);
  }
}

module.exports = { Acks };
