'use strict';

const { abortable, timeLeft } = require('./abort.js');
const { Acks } = require('./acks.js');
const { timeout, whole } = require('./convert.js');
const { call, invalid, warn } = require('./errors.js');
const { raw } = require('./library.js');
const { view } = require('./memory.js');
const { Message, handleOf, putHandle, takeHandle } = require('./message.js');
const { MessageId } = require('./message_id.js');
const { Receiver } = require('./receiver.js');

const ACKNOWLEDGE = 'acknowledge to';

class Consumer extends Receiver {
  #subscription;
  #acks;

  constructor(loop, kind, pointer, end, options) {
    super(loop, kind, pointer, end, options);
    this.#subscription = view(raw.stargate_consumer_subscription(pointer));
    this.#acks = new Acks(loop.native, pointer);
  }

  get subscription() {
    return this.#subscription;
  }

  ack(message) {
    this._checkOpen(ACKNOWLEDGE);
    const handle = message instanceof Message ? takeHandle(message) : null;
    if (handle !== null) this.#acks.add(handle);
    else call('stargate_consumer_ack_id', this._pointer, idOf(message));
  }

  ackMany(messages) {
    for (const message of messages) this.ack(message);
  }

  ackCumulative(message) {
    this.#tell('stargate_consumer_ack_cumulative', message);
  }

  nack(message) {
    this.#tell('stargate_consumer_nack', message);
  }

  async reconsumeLater(message, delay, { timeout: limit, signal } = {}) {
    const [wait, left] = [timeout(delay, 'delay'), timeLeft(limit)];
    await abortable(() => this.#reconsume(message, wait, left), signal);
  }

  /** Takes the handle of the message for the time of the call: meanwhile nobody else may free it. */
  async #reconsume(message, wait, left) {
    const handle = message instanceof Message ? takeHandle(message) : null;
    if (handle === null) throw invalid('reconsumeLater: expected a message of this consumer that is not acknowledged');
    try {
      await this._call('reconsume later from', 'reconsume_later', handle, wait, left);
    } catch (error) {
      putHandle(message, handle);
      throw error;
    }
    raw.stargate_message_free(handle);
  }

  async backlog({ timeout: limit, signal } = {}) {
    const out = [0];
    await this._run('get the backlog of', signal, 'backlog', timeLeft(limit), out);
    return Number(out[0]);
  }

  permit(messages) {
    this._checkOpen('permit');
    call('stargate_consumer_permit', this._pointer, whole('messages', messages, 1));
  }

  async unsubscribe({ timeout: limit, signal } = {}) {
    await this._run('unsubscribe from', signal, 'unsubscribe', timeLeft(limit));
    await this.close({ timeout: limit, signal });
  }

  /** Does what a handler decided. */
  async _settle(message, outcome) {
    if (outcome === 'ack') this.ack(message);
    else if (outcome === 'nack') this.nack(message);
    else if (outcome !== 'continue') await this.#later(message, outcome.reconsumeLater);
  }

  /** As reconsumeLater, for a handler: a message that cannot be stored is negatively acknowledged. */
  async #later(message, delay) {
    try {
      await this.reconsumeLater(message, delay);
    } catch (error) {
      warn(error);
      this.nack(message);
    }
  }

  /** Tells the library by the handle of a message, or by its id if it was settled before. */
  #tell(name, message) {
    this._checkOpen(ACKNOWLEDGE);
    const handle = message instanceof Message ? handleOf(message) : null;
    if (handle === null) return call(`${name}_id`, this._pointer, idOf(message));
    call(name, this._pointer, handle);
    return raw.stargate_message_free(takeHandle(message));
  }
}

function idOf(message) {
  return `${message instanceof Message ? message.id : MessageId.from(message)}`;
}

module.exports = { Consumer };
