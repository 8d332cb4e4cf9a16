'use strict';

// A broker for tests of your own application: in memory, on a real socket, with faults on request.

const koffi = require('koffi');
const { abortable, timeLeft } = require('./src/abort.js');
const { cText, snake, whole } = require('./src/convert.js');
const { call, classes } = require('./src/errors.js');
const { raw } = require('./src/library.js');
const { given, view } = require('./src/memory.js');
const { MessageId } = require('./src/message_id.js');
const { Outgoing } = require('./src/outgoing.js');
const { types } = require('./src/raw.js');
const threads = require('./src/threads.js');

const WAIT_MS = 10_000;
const UNLIMITED = 2n ** 64n - 1n;

// Names that differ from those in C, where a flag that is not set is 0.
const OPTIONS = { oauth2TokenLife: 'oauth2_token_life_ms', idleTimeout: 'idle_timeout_ms' };
const SWITCHES = { autoCreateTopics: 'no_auto_create_topics', websocketCompression: 'no_websocket_compression' };
const FIELDS = new Set(Object.keys(types.stargate_mock_options.members));

class MockBroker {
  #mock;
  #waits = 0; // that run on threads: until then it is not freed

  constructor(options = {}) {
    const out = [null];
    call('stargate_mock_start', mockOptions(options), out);
    this.#mock = out[0];
  }

  get url() {
    return view(raw.stargate_mock_url(this.#mock));
  }

  get httpUrl() {
    return view(raw.stargate_mock_http_url(this.#mock));
  }

  get oauth2IssuerUrl() {
    return view(raw.stargate_mock_oauth2_issuer_url(this.#mock));
  }

  get port() {
    return Number(new URL(this.httpUrl).port);
  }

  publish(topic, payload, options) {
    const message = new Outgoing(payload ?? '', options).struct();
    if (payload === null) message.payload = { ptr: null, len: 0 };
    const out = [null];
    this.#call('publish', cText('topic', topic), message, out);
    return new MessageId(given(out[0]));
  }

  messages(topic) {
    return this.#json('messages_json', cText('topic', topic)).map((stored) => ({
      topic: stored.topic,
      id: new MessageId(stored.message_id),
      data: stored.payload === null ? null : Buffer.from(stored.payload, 'base64'),
      key: stored.key,
      properties: stored.properties,
      eventTime: date(stored.event_time_ms),
      publishTime: date(stored.publish_time_ms),
      deliverAt: date(stored.deliver_at_ms),
      producerName: stored.producer_name,
      sequenceId: stored.sequence_id,
      batch: stored.batch,
    }));
  }

  backlog(topic, subscription) {
    return this.#number('backlog', cText('topic', topic), cText('subscription', subscription));
  }

  createNamespace(name) {
    this.#call('create_namespace', cText('name', name));
  }

  createPartitioned(topic, partitions) {
    this.#call('create_partitioned', cText('topic', topic), whole('partitions', partitions));
  }

  createSubscription(topic, subscription, { earliest = false } = {}) {
    this.#call('create_subscription', cText('topic', topic), cText('subscription', subscription), Number(earliest));
  }

  setDeduplication(namespace, on = true) {
    this.#call('set_deduplication', cText('namespace', namespace), Number(on));
  }

  terminate(topic) {
    this.#call('terminate', cText('topic', topic));
  }

  deleteTopic(topic) {
    this.#call('delete_topic', cText('topic', topic));
  }

  fault(op, fault, { topic = null, count = 1 } = {}) {
    const times = count === Infinity ? UNLIMITED : whole('count', count);
    this.#call('fault', cText('op', op), topic, cText('fault', fault), times);
  }

  get faultsLeft() {
    return Number(raw.stargate_mock_faults_left(this.#mock));
  }

  clearFaults() {
    this.#call('clear_faults');
  }

  down() {
    this.#call('set_up', 0);
  }

  up() {
    this.#call('set_up', 1);
  }

  dropConnections(topic = null) {
    return this.#number('drop_connections', topic);
  }

  get connections() {
    return Number(raw.stargate_mock_connections(this.#mock));
  }

  async wait(op, { atLeast = 1, topic = null, timeout: limit = WAIT_MS, signal } = {}) {
    await abortable(() => this.#wait(cText('op', op), topic, atLeast, timeLeft(limit)), signal);
  }

  count(op, { topic = null } = {}) {
    return this.#number('count', cText('op', op), topic);
  }

  requests(op) {
    const all = this.#json('requests_json').map(({ at_ms: at, ...request }) => ({ at, ...request }));
    return op === undefined ? all : all.filter((request) => request.op === op);
  }

  clearRequests() {
    this.#call('clear_requests');
  }

  close() {
    if (this.#mock === null) return;
    if (this.#waits > 0) this.down();
    else raw.stargate_mock_free(this.#mock);
    this.#mock = null;
  }

  [Symbol.dispose]() {
    this.close();
  }

  async [Symbol.asyncDispose]() {
    this.close();
  }

  async #wait(...values) {
    const mock = this.#open();
    this.#waits++;
    try {
      await threads.run('stargate_mock_wait', mock, ...values);
    } finally {
      if (--this.#waits === 0 && this.#mock === null) raw.stargate_mock_free(mock); // closed meanwhile
    }
  }

  #open() {
    if (this.#mock === null) throw new classes.ClosedError('the mock broker is closed');
    return this.#mock;
  }

  #call(name, ...values) {
    call(`stargate_mock_${name}`, this.#open(), ...values);
  }

  #number(name, ...values) {
    const out = [0];
    this.#call(name, ...values, out);
    return Number(out[0]);
  }

  #json(name, ...values) {
    const out = [null];
    this.#call(name, ...values, out);
    return JSON.parse(given(out[0]));
  }
}

function mockOptions(options) {
  const struct = Object.fromEntries([...FIELDS].map((name) => [name, null]));
  for (const name of FIELDS) if (types.stargate_mock_options.members[name].type.primitive !== 'String') struct[name] = 0;
  struct.struct_size = koffi.sizeof(types.stargate_mock_options);
  for (const [name, value] of Object.entries(options)) {
    if (name in SWITCHES) struct[SWITCHES[name]] = Number(!value);
    else if (FIELDS.has(OPTIONS[name] ?? snake(name))) struct[OPTIONS[name] ?? snake(name)] = value;
    else throw new classes.InvalidArgumentError(`the mock broker has no option ${name}`);
  }
  return struct;
}

function date(millis) {
  return millis ? new Date(millis) : null;
}

module.exports = { MockBroker };
