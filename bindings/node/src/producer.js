'use strict';

const koffi = require('koffi');
const { abortable, abortWith } = require('./abort.js');
const { timeout } = require('./convert.js');
const { copied, failure, taken } = require('./errors.js');
const { Handle } = require('./handle.js');
const { raw } = require('./library.js');
const { text } = require('./memory.js');
const { MessageId } = require('./message_id.js');
const { optionOf } = require('./options.js');
const { Outgoing, payloadAndOptions } = require('./outgoing.js');
const { forget, keep, onReport, onSent } = require('./pending.js');
const { constants, types } = require('./raw.js');

const { STARGATE_OK, STARGATE_QUEUE_FULL, STARGATE_CLOSED } = constants;
const sendFlat = raw.stargate_producer_send_flat_async.sync;
const error = [null];

/** A send whose promise is not settled. Until then it keeps its producer, which would be given up if it were forgotten. */
class Sending {
  constructor(producer, message, resolve, reject) {
    this.producer = producer;
    this.message = message;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Called by the library, once. */
  sent(status, id, length, failed) {
    this.producer._loop.native.ended();
    if (status === STARGATE_OK) this.resolve(id === null ? null : new MessageId(text(id, length)));
    else this.reject(copied(status, failed));
  }

  /** The same for a send with a struct. */
  reported(pointer) {
    const report = koffi.decode(pointer, types.stargate_delivery_report);
    const status = report.error === null ? STARGATE_OK : raw.stargate_error_status(report.error);
    this.sent(status, report.message_id.ptr, Number(report.message_id.len), report.error);
  }
}

class Producer extends Handle {
  #waiting = []; // for room, in the order of their sends
  #room = null; // settled when nothing waits any more
  #failsWhenFull;
  #sendTimeout;

  constructor(loop, kind, pointer, end, options) {
    super(loop, kind, pointer, end);
    this.#failsWhenFull = optionOf(options, 'when_full') === 'fail';
    this.#sendTimeout = Number(optionOf(options, 'send_timeout')) || Infinity;
  }

  send(payload, options) {
    return new Promise((resolve, reject) => {
      options?.signal?.throwIfAborted();
      this._checkOpen('send to');
      const sending = new Sending(this, new Outgoing(payload, options), resolve, reject);
      if (options?.signal) abortWith(sending, options.signal, () => this.#waiting);
      if (this.#waiting.length === 0 && this.#accept(sending)) return;
      this.#wait(sending);
    });
  }

  async sendMany(messages) {
    const sends = [];
    for await (const message of messages) {
      const send = this.send(...payloadAndOptions(message));
      send.catch(() => {}); // it is reported at the end
      sends.push(send);
      if (this.#waiting.length > 0) await this.ready();
    }
    return Promise.allSettled(sends);
  }

  async ready({ signal } = {}) {
    while (this.#room !== null) await abortable(() => this.#room, signal);
  }

  async flush({ timeout: limit, signal } = {}) {
    await this.ready({ signal });
    if (this._closed) return; // then every message has ended
    await this._loop.done({ signal }, 'stargate_producer_flush_async', this._pointer, timeout(limit));
  }

  /** Gives what waits for room its time, and refuses the rest. */
  async _finish(end) {
    await end.settles(this.ready());
    for (const { reject } of this.#waiting.splice(0)) {
      reject(failure(STARGATE_CLOSED, `send to ${this.topic}: the handle is closed`, { topic: this.topic }));
    }
    return true;
  }

  /** Passes a message on, and returns whether that came to an end. If not, it has to wait for room. */
  #accept(sending) {
    const status = sending.message.clusters === null ? this.#sendFlat(sending) : this.#sendStruct(sending);
    if (status === STARGATE_OK) {
      this._loop.native.started();
      return true;
    }
    const failed = taken(status, error[0]);
    if (status === STARGATE_QUEUE_FULL && !this.#failsWhenFull) return false;
    sending.reject(failed);
    return true;
  }

  #sendFlat(sending) {
    const { payload, key, keyLength, properties, eventTime, deliverAt, deliverAfter } = sending.message;
    const number = keep(sending);
    const status = sendFlat(
      this._pointer,
      payload,
      payload.length,
      key,
      keyLength,
      properties,
      properties === null ? 0 : properties.length,
      eventTime,
      deliverAt,
      deliverAfter,
      0, // do not wait for room
      onSent,
      number,
      null,
      error,
    );
    if (status !== STARGATE_OK) forget(number);
    return status;
  }

  #sendStruct(sending) {
    const number = keep((report) => sending.reported(report));
    const struct = sending.message.struct();
    const status = raw.stargate_producer_send_async.sync(this._pointer, struct, 0, onReport, number, null, error);
    if (status !== STARGATE_OK) forget(number);
    return status;
  }

  #wait(sending) {
    sending.end = Date.now() + this.#sendTimeout;
    this.#waiting.push(sending);
    if (this.#room !== null) return;
    this._loop.busy.add(this);
    this.#room = this.#sendWaiting().finally(() => {
      this.#room = null;
      this._loop.busy.delete(this);
    });
  }

  async #sendWaiting() {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0];
      if (this.#accept(first)) {
        this.#waiting.shift();
        continue;
      }
      try {
        const left = first.end === Infinity ? -1 : Math.max(0, first.end - Date.now());
        await this._loop.done({}, 'stargate_producer_room_async', this._pointer, first.message.size, left);
      } catch (failed) {
        if (this.#waiting[0] === first) this.#waiting.shift().reject(failed);
      }
    }
  }
}

module.exports = { Producer };
