'use strict';

const { call } = require('./errors.js');
const { cText } = require('./convert.js');

/** The position of a message in its topic. */
class MessageId {
  #text;
  #parts = null;

  constructor(text) {
    this.#text = text;
  }

  static earliest = new MessageId('earliest');
  static latest = new MessageId('latest');

  static from(text) {
    if (text instanceof MessageId) return text;
    if (text === 'earliest' || text === 'latest') return MessageId[text];
    const id = new MessageId(cText('message id', text));
    id.#read();
    return id;
  }

  static compare(left, right) {
    const order = [0];
    call('stargate_message_id_compare', `${left}`, `${right}`, order);
    return order[0];
  }

  equals(other) {
    return other instanceof MessageId && (this.#text === other.#text || MessageId.compare(this, other) === 0);
  }

  get ledger() {
    return this.#read().ledger;
  }

  get entry() {
    return this.#read().entry;
  }

  get partition() {
    return this.#read().partition;
  }

  get batchIndex() {
    return this.#read().batchIndex;
  }

  toString() {
    return this.#text;
  }

  toJSON() {
    return this.#text;
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    if (this === MessageId.earliest || this === MessageId.latest) return `MessageId.${this.#text}`;
    const { ledger, entry, partition, batchIndex } = this.#read();
    return `MessageId(${[ledger, entry, partition, batchIndex].filter((part) => part !== null).join(':')})`;
  }

  #read() {
    if (this.#parts === null) {
      const [ledger, entry, partition, batchIndex] = [[0], [0], [0], [0]];
      call('stargate_message_id_parts', this.#text, ledger, entry, partition, batchIndex);
      const some = ([number]) => (number < 0 ? null : number);
      this.#parts = {
        ledger: BigInt(ledger[0]),
        entry: BigInt(entry[0]),
        partition: some(partition),
        batchIndex: some(batchIndex),
      };
    }
    return this.#parts;
  }
}

module.exports = { MessageId };
