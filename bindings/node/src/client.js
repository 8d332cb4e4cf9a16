'use strict';

const { Admin } = require('./admin.js');
const { deadline } = require('./abort.js');
const { aFunction, cText, camelKeys } = require('./convert.js');
const { Consumer } = require('./consumer.js');
const { call, failure, invalid } = require('./errors.js');
const { CLOSE_MS, open, unfinished } = require('./handle.js');
const { Loop } = require('./loop.js');
const { given } = require('./memory.js');
const { withOptions } = require('./options.js');
const { Producer } = require('./producer.js');
const { constants } = require('./raw.js');
const { Reader } = require('./reader.js');

class Client {
  #loop;
  #admin = null;

  constructor(url, options = {}) {
    cText('url', url);
    withOptions(
      options,
      (set, end) => {
        const out = [null];
        call('stargate_client_new', url, set, out);
        this.#loop = new Loop(out[0], end);
      },
      { polled: true },
    );
  }

  // Each of them awaits, or the stack of an error would end here.
  async producer(topic, options) {
    return await open(this.#loop, Producer, 'producer', 'stargate_producer_open_async', [cText('topic', topic)], options);
  }

  async consumer(topic, subscription, options) {
    const [name, ...values] = topics(topic);
    return await open(this.#loop, Consumer, 'consumer', name, [...values, cText('subscription', subscription)], options);
  }

  async reader(topic, options) {
    return await open(this.#loop, Reader, 'reader', 'stargate_reader_open_async', [cText('topic', topic)], options);
  }

  async consume(topic, subscription, handler, { onError, ...options } = {}) {
    aFunction('handler', handler);
    const consumer = await this.consumer(topic, subscription, options);
    consumer.listen(handler, { onError });
    return consumer;
  }

  get admin() {
    this.#admin ??= new Admin(this.#loop);
    return this.#admin;
  }

  get proxy() {
    return this.#ask('stargate_client_proxy') || null;
  }

  stats() {
    return camelKeys(this.#ask('stargate_client_stats_json'));
  }

  async close({ timeout: limit = CLOSE_MS, signal } = {}) {
    const end = deadline(limit, signal);
    try {
      const finished = await Promise.all([...this.#loop.busy].map((handle) => handle._finish(end)));
      const { native } = this.#loop;
      if (!this.#loop.closed) {
        native.sendAcks();
        await this.#loop.done({ signal }, 'stargate_client_close_async', native.client, end.left());
        native.free();
      }
      if (finished.includes(false)) throw unfinished('the client');
    } finally {
      end.clear();
    }
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }

  #ask(name) {
    if (this.#loop.closed) throw failure(constants.STARGATE_CLOSED, 'the client is closed');
    const out = [null];
    call(name, this.#loop.native.client, out);
    return given(out[0]);
  }
}

/** The function that opens a consumer of one topic, of several or of a pattern, and its first arguments. */
function topics(topic) {
  if (typeof topic === 'string') return ['stargate_consumer_open_async', cText('topic', topic)];
  if (Array.isArray(topic)) {
    return ['stargate_consumer_open_topics_async', topic.map((name) => cText('topic', name)), topic.length];
  }
  if (typeof topic?.pattern === 'string') return ['stargate_consumer_open_pattern_async', cText('pattern', topic.pattern)];
  throw invalid('topic: expected a name, an array of names, or { pattern: a regular expression as text }');
}

module.exports = { Client };
