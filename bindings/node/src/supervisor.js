'use strict';

const { deadline } = require('./abort.js');
const { Client } = require('./client.js');
const { aFunction, cText } = require('./convert.js');
const { failure, invalid } = require('./errors.js');
const { constants } = require('./raw.js');
const { Supervised } = require('./supervised.js');

/** Those that run in this thread, by their names. */
const running = new Map();

class Supervisor {
  #name;
  #client;
  #limits;
  #onState;
  #parts = []; // { key, part }
  #closed = false;

  static async start(configuration, { timeout: limit, signal } = {}) {
    const { name = 'default', producer, consumer, reader, ...rest } = configuration;
    if (running.has(cText('name', name))) {
      throw failure(constants.STARGATE_BUSY, `there is a supervisor "${name}" already: close it, or choose another name`);
    }
    const supervisor = new Supervisor(name, rest);
    running.set(name, supervisor);
    const end = deadline(limit);
    const waiting = () => ({ timeout: end.left() < 0 ? undefined : end.left(), signal });
    try {
      for (const one of listed(producer)) await supervisor.addProducer({ ...one, ...waiting() });
      for (const one of listed(consumer)) await supervisor.addConsumer({ ...one, ...waiting() });
      for (const one of listed(reader)) await supervisor.addReader({ ...one, ...waiting() });
      return supervisor;
    } catch (error) {
      await supervisor.close({ timeout: 0 }).catch(() => {});
      throw error;
    } finally {
      end.clear();
    }
  }

  static find(name) {
    const found = running.get(name);
    if (found === undefined) throw failure(constants.STARGATE_NOT_FOUND, `there is no supervisor "${name}"`);
    return found;
  }

  constructor(name, { host, protocol = 'ws', maxRestarts = 3, maxSeconds = 5, ...options }) {
    this.#name = name;
    this.#limits = { maxRestarts, maxSeconds };
    this.#onState = options.onState;
    this.#client = new Client(`${protocol}://${hosts(host)}`, options);
  }

  get name() {
    return this.#name;
  }

  async addProducer({ topic, ...options }) {
    await this.#add({ component: 'producer', topic: fullName(topic) }, options, (given) => this.#client.producer(topic, given));
  }

  async addConsumer({ topic, subscription, handler, onError, ...options }) {
    if (handler !== undefined) aFunction('handler', handler);
    const key = { component: 'consumer', topic: fullName(topic), subscription: cText('subscription', subscription) };
    const open = (given) => this.#client.consumer(topic, subscription, given);
    await this.#add(key, options, async (given) => listening(await open(given), handler, onError));
  }

  async addReader({ topic, handler, onError, ...options }) {
    if (handler !== undefined) aFunction('handler', handler);
    const open = (given) => this.#client.reader(topic, given);
    const key = { component: 'reader', topic: fullName(topic) };
    await this.#add(key, options, async (given) => listening(await open(given), handler, onError));
  }

  producer(topic) {
    return this.#handle({ component: 'producer', topic: fullName(topic) });
  }

  consumer(topic, subscription) {
    return this.#handle({ component: 'consumer', topic: fullName(topic), subscription });
  }

  reader(topic) {
    return this.#handle({ component: 'reader', topic: fullName(topic) });
  }

  keys() {
    return this.#parts.map(({ key }) => ({ ...key }));
  }

  async close(waiting) {
    this.#closed = true;
    for (const { part } of this.#parts.splice(0)) part.stop();
    try {
      await this.#client.close(waiting);
    } finally {
      if (running.get(this.#name) === this) running.delete(this.#name);
    }
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }

  /** Opens and supervises what `open` opens with the options that it receives. */
  async #add(key, { timeout: limit, signal, ...options }, open) {
    this.#checkFree(key);
    const onState = options.onState ?? this.#onState;
    const part = new Supervised(`${this.#described(key)}`, this.#limits, (waiting, onFailed) =>
      open({
        ...options,
        ...waiting,
        onState: (change) => {
          if (change.state === 'failed') onFailed(change.error);
          onState?.(change);
        },
      }),
    );
    await part.start({ timeout: limit, signal });
    try {
      this.#checkFree(key); // another call may have added it meanwhile
    } catch (error) {
      await part.discard();
      throw error;
    }
    this.#parts = [...this.#parts.filter((other) => !same(other.key, key)), { key, part }];
  }

  #checkFree(key) {
    if (this.#closed) throw failure(constants.STARGATE_CLOSED, `supervisor "${this.#name}" is closed`);
    const found = this.#parts.find((other) => same(other.key, key));
    if (found !== undefined && !found.part.isOver) {
      throw failure(constants.STARGATE_BUSY, `there is a ${this.#described(key)} already`, { topic: key.topic });
    }
  }

  #handle(key) {
    const found = this.#parts.filter((other) => same(other.key, { ...key, subscription: key.subscription ?? other.key.subscription }));
    if (found.length === 0) {
      throw failure(constants.STARGATE_NOT_FOUND, `there is no ${this.#described(key)}`, { topic: key.topic });
    }
    if (found.length > 1) throw invalid(`there is more than one ${this.#described(key)}: name the subscription`);
    return found[0].part.handle;
  }

  #described({ component, topic, subscription }) {
    return `${component} of ${topic}${subscription === undefined ? '' : ` on ${subscription}`} in supervisor "${this.#name}"`;
  }
}

function same(left, right) {
  return left.component === right.component && left.topic === right.topic && left.subscription === right.subscription;
}

/** One component, or several, or none. */
function listed(components = []) {
  return Array.isArray(components) ? components : [components];
}

/** The hosts as a URL has them. */
function hosts(host) {
  const all = Array.isArray(host) ? host : [host];
  return all.map((one) => cText('host', one)).join(',');
}

/** The full name of a topic. */
function fullName(topic) {
  if (cText('topic', topic).includes('://')) return topic;
  return topic.includes('/') ? `persistent://${topic}` : `persistent://public/default/${topic}`;
}

/** Runs the handler, if there is one. The supervisor reports what ends it. */
function listening(receiver, handler, onError) {
  if (handler !== undefined) {
    receiver.listen(handler, { onError });
    receiver.wait().catch(() => {});
  }
  return receiver;
}

module.exports = { Supervisor };
