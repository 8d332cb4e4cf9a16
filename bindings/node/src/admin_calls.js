'use strict';

// How a call of the REST API is made, for the methods of Admin, which are generated.

const { abortable, timeLeft } = require('./abort.js');
const { cText, kindOf } = require('./convert.js');
const { failure, invalid } = require('./errors.js');
const { raw } = require('./library.js');
const { given, view } = require('./memory.js');
const { messagesOf } = require('./message.js');
const { MessageId } = require('./message_id.js');
const { constants } = require('./raw.js');

const MOST_MESSAGES = 1000;

class AdminCalls {
  #loop;

  constructor(loop) {
    this.#loop = loop;
  }

  async request(method, path, { body, ...options } = {}) {
    const [status, answer] = [[0], [null]];
    const text = body === undefined ? null : JSON.stringify(body);
    const values = [cText('method', method), cText('path', path), text];
    const found = await this.#call(options, 'stargate_admin_request', values, [status, answer], () => given(answer[0]));
    return { status: status[0], body: found ? JSON.parse(found) : null };
  }

  async *walkTopics({ tenant, ...options } = {}) {
    for (const one of tenant === undefined ? await this.tenants(options) : [tenant]) {
      for (const namespace of await this.namespaces(one, options)) yield* await this.#topicsOf(namespace, options);
    }
  }

  async setSubscriptionProperties(topic, subscription, properties, options = {}) {
    const entries = Object.entries(properties).map(([key, value]) => ({
      key: cText('property', key),
      value: cText(`property ${key}`, value),
    }));
    const values = [cText('topic', topic), cText('subscription', subscription), entries, entries.length];
    await this.#call(options, 'stargate_admin_set_subscription_properties', values);
  }

  /** The topics of a namespace; none if it was deleted meanwhile. */
  async #topicsOf(namespace, options) {
    try {
      return [...(await this.topics(namespace, options)), ...(await this.topics(namespace, { ...options, persistent: false }))];
    } catch (error) {
      if (error.kind === 'not_found') return [];
      throw error;
    }
  }

  async _nothing(options, name, ...values) {
    await this.#call(options, name, values);
  }

  async _text(options, name, ...values) {
    const out = [null];
    return await this.#call(options, name, values, [out], () => given(out[0]));
  }

  async _id(options, name, ...values) {
    const text = await this._text(options, name, ...values);
    return text === null ? null : new MessageId(text);
  }

  async _json(options, name, ...values) {
    return JSON.parse(await this._text(options, name, ...values));
  }

  async _texts(options, name, ...values) {
    const out = [null];
    return await this.#call(options, name, values, [out], () => {
      const count = Number(raw.stargate_strings_count(out[0]));
      const texts = Array.from({ length: count }, (_, index) => view(raw.stargate_strings_get(out[0], index)));
      raw.stargate_strings_free(out[0]);
      return texts;
    });
  }

  async _ids(options, name, ...values) {
    return (await this._texts(options, name, ...values)).map((text) => new MessageId(text));
  }

  async _number(options, name, ...values) {
    const out = [0];
    await this.#call(options, name, values, [out]);
    return out[0] === -1 ? null : out[0];
  }

  async _flag(options, name, ...values) {
    const number = await this._number(options, name, ...values);
    return number === null ? null : number === 1;
  }

  async _messages({ max = MOST_MESSAGES, ...options }, name, ...values) {
    const handles = new BigUint64Array(max);
    const count = [0];
    const found = () => messagesOf(handles.slice(0, Number(count[0])), false);
    return await this.#call(options, name, values, [max, handles, count], found);
  }

  /** Makes a call; `take` copies and frees what it gave, also when nobody waits for it any more. */
  async #call({ timeout: limit, signal }, name, values, results = [], take = () => {}) {
    const left = timeLeft(limit);
    return await abortable(() => this.#run(name, values, left, results).then(take), signal);
  }

  async #run(name, values, left, results) {
    const { native } = this.#loop;
    if (this.#loop.closed) throw failure(constants.STARGATE_CLOSED, 'request: the client is closed');
    await this.#loop.run(name, native.client, ...values, left, ...results);
  }
}

/** Names as the library takes them. */
function listed(names) {
  if (names === undefined || names === null) return null;
  if (!Array.isArray(names)) throw invalid(`names: expected an array, got ${kindOf(names)}`);
  return names.map((name) => cText('name', name)).join(',');
}

module.exports = { AdminCalls, listed };
