'use strict';

// Carries out a scenario of tests/scenarios/table with this package: `scenario.js SCENARIO [URL]`. The README there
// describes the steps and what each of them prints.

const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const stargate = require('stargate');
const { MockBroker } = require('stargate/testing');

const PATIENCE = 10_000;
const DEFAULT = 'persistent://public/default/';
const WORD = /([a-z_]+(?:\.[^= ]+)?)=("(?:[^"\\]|\\.)*"|[^ "]*)|([^ ]+)/g;

class UnknownStep extends Error {}

/** The steps of a file: verb, handle, and the parameters as Buffers. */
function parse(text) {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const words = [];
    const given = new Map();
    for (const [, name, value, word] of line.matchAll(WORD)) {
      if (word === undefined) given.set(name, valueOf(value));
      else words.push(word);
    }
    return { verb: words[0], handle: words[1] ?? '', given };
  });
}

function valueOf(text) {
  if (!text.startsWith('"')) return Buffer.from(text);
  const parts = text.slice(1, -1).replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex, character) =>
    hex === undefined ? character : String.fromCharCode(parseInt(hex, 16)),
  );
  return Buffer.from(parts, 'latin1');
}

function quoted(data) {
  const shown = [...data].map((byte) => {
    const character = String.fromCharCode(byte);
    if (character === '"' || character === '\\') return `\\${character}`;
    return byte >= 0x20 && byte < 0x7f ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `"${shown.join('')}"`;
}

function payloadText(data) {
  if (data.length <= 64) return quoted(data);
  let hash = 0;
  for (const byte of data) hash = (Math.imul(hash, 31) + byte) >>> 0;
  return `<${data.length} bytes, hash ${hash.toString(16).padStart(8, '0')}>`;
}

function errorText(error) {
  if (!(error instanceof stargate.StargateError)) throw error;
  return `error ${error.kind}: ${error.message}`;
}

const key = (data) => data.toString('latin1');
const number = (given, name, otherwise) => (given.has(name) ? Number(given.get(name).toString()) : otherwise);
const millis = (value) => Number(value.toString().replace(/ms$/, ''));
const timeoutOf = (given) => (given.has('timeout') ? millis(given.get('timeout')) : PATIENCE);
const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

/** Asks until the answer is the wanted one, or time is over; returns the last answer. */
async function until(ask, wanted) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer === wanted || Date.now() > end) return answer;
    await sleep(20);
  }
}

/** The payloads that a consumer received, in their order. */
class Seen {
  payloads = [];
  first = new Set();

  /** Notes a payload, and returns whether it is the first of its kind. */
  add(payload) {
    const isFirst = !this.first.has(key(payload));
    this.payloads.push(key(payload));
    this.first.add(key(payload));
    return isFirst;
  }

  progress(prefix, count) {
    const first = [...this.first].filter((payload) => payload.startsWith(key(prefix)));
    const wanted = Array.from({ length: count }, (_, index) => `${key(prefix)}${index + 1}`);
    const found = wanted.filter((payload) => this.first.has(payload)).length;
    if (found < count) return `${found} of ${count}`;
    return `all ${count}, ${first.join() === wanted.join() ? 'in' : 'out of'} order`;
  }
}

/** A producer, consumer or reader under its name in the scenario. */
class Named {
  native = null;
  states = [];
  sends = [];
  last = new Map();
  inHand = [];
  seen = new Seen();
}

class Interpreter {
  constructor(folder, url, out) {
    this.folder = folder;
    this.out = out;
    this.run = `${process.pid.toString(16)}-${process.hrtime.bigint().toString(16)}-`;
    this.mock = url === undefined ? new MockBroker() : null;
    this.url = url ?? this.mock.url;
    this.client = new stargate.Client(this.url);
    this.handles = new Map();
    this.ids = new Map();
  }

  async carryOut(steps) {
    try {
      for (const step of steps) {
        if (steps_[step.verb] === undefined) throw new UnknownStep(`there is no step ${step.verb}`);
        let outcome;
        try {
          outcome = await steps_[step.verb].call(this, step, this.handles.get(step.handle));
        } catch (error) {
          outcome = errorText(error);
        }
        if (step.verb !== 'on') this.show(`${`${step.verb} ${step.handle}`.trimEnd()}: ${outcome || 'ok'}`);
      }
      await this.client.close();
      this.show('end');
    } finally {
      this.mock?.close();
    }
  }

  show(line) {
    this.out(`${line.replaceAll(this.run, '').replaceAll(this.url.split('://')[1], 'BROKER')}\n`);
  }

  get broker() {
    if (this.mock === null) throw new UnknownStep('this step needs a mock broker');
    return this.mock;
  }

  fullName(name) {
    return name.includes('/') ? name : `${DEFAULT}${this.run}${name}`;
  }

  topic({ given }) {
    return given.has('topic') ? this.fullName(given.get('topic').toString()) : null;
  }

  options({ given }) {
    const named = [...given].filter(([name]) => name !== 'topic' && name !== 'subscription');
    return Object.fromEntries(named.map(([name, value]) => [camel(name), this.option(value)]));
  }

  option(value) {
    const text = value.toString();
    if (/^\d+ms$/.test(text)) return millis(value);
    if (text === 'true' || text === 'false') return text === 'true';
    if (text.startsWith('@')) return this.ids.get(text.slice(1));
    if (text.startsWith('./')) return path.join(this.folder, text);
    return /^\d+$/.test(text) ? Number(text) : text;
  }

  async open(step, opening) {
    const named = new Named();
    const onState = ({ state }) => named.states.push(state);
    named.native = await opening({ ...this.options(step), onState });
    this.handles.set(step.handle, named);
  }

  message({ handle, given }) {
    return this.handles.get(handle).last.get(key(given.get('payload')));
  }

  /** Receives until there are as many as the step wants, with what `receive` gives for the number that is missing. */
  async receiving({ given }, named, receive) {
    const count = number(given, 'count', 1);
    const messages = [];
    let end = null;
    while (messages.length < count && end === null) {
      try {
        const more = await receive(count - messages.length);
        if (more.length === 0) end = 'nothing';
        messages.push(...more);
      } catch (error) {
        end = error instanceof stargate.TimeoutError ? 'nothing' : errorText(error);
      }
    }
    for (const message of messages) {
      named.last.set(key(message.data), message);
      named.inHand.push(message);
    }
    const outcome = [...(messages.length > 0 ? [`${messages.length}`] : []), ...(end === null ? [] : [end])];
    return this.withMessages(outcome.join(', then '), messages, given.has('order'));
  }

  withMessages(outcome, messages, inAnyOrder) {
    const lines = messages.map((message) => this.messageLine(message));
    return [outcome, ...(inAnyOrder ? lines.sort() : lines)].join('\n');
  }

  messageLine(message) {
    const topic = message.topic.replace(DEFAULT, '').replace(this.run, '');
    let line = `  ${topic}: ${payloadText(message.data)}`;
    if (message.key !== null) line += ` key=${quoted(Buffer.from(message.key))}`;
    if (message.eventTime !== null) line += ` event_time=${message.eventTime.getTime()}`;
    if (message.redeliveryCount > 0) line += ` redelivered=${message.redeliveryCount}`;
    if (message.reconsumeTimes > 0) line += ` reconsumed=${message.reconsumeTimes}`;
    for (const [name, value] of Object.entries(message.properties).sort()) {
      if (!/^[A-Z]/.test(name)) line += ` property.${name}=${quoted(Buffer.from(value))}`;
    }
    return line;
  }
}

// What each step does, and returns; `this` is the interpreter.
const steps_ = {
  on() {},

  producer(step) {
    return this.open(step, (options) => this.client.producer(this.topic(step), options));
  },

  consumer(step) {
    const names = step.given.get('topic').toString().split(',').map((name) => this.fullName(name));
    const topic = names.length === 1 ? names[0] : names;
    const subscription = step.given.get('subscription').toString();
    return this.open(step, (options) => this.client.consumer(topic, subscription, options));
  },

  reader(step) {
    return this.open(step, (options) => this.client.reader(this.topic(step), options));
  },

  close: ({ given }, { native }) => native.close({ timeout: timeoutOf(given) }),

  close_client() {
    return this.client.close();
  },

  async states({ given }, { states }) {
    const count = number(given, 'count');
    await until(() => states.length >= count, true);
    return states.slice(0, count).join(' ');
  },

  stats({ given }, { native }) {
    const stats = native.stats();
    const names = given.get('counters').toString().split(',');
    return names.map((name) => `${name}=${stats[camel(name)]}`).join(' ');
  },

  async send({ given }, { native }) {
    const payload = given.get('payload');
    const properties = [...given].filter(([name]) => name.startsWith('property.'));
    const options = {
      key: given.get('key')?.toString(),
      properties: Object.fromEntries(properties.map(([name, value]) => [name.slice(9), value.toString()])),
      eventTime: number(given, 'event_time'),
    };
    this.ids.set(key(payload), await native.send(repeated(payload, given), options));
  },

  async send_async({ given }, named) {
    const count = number(given, 'count');
    for (let accepted = 0; accepted < count; accepted++) {
      const payload = Buffer.concat([given.get('payload'), Buffer.from(`${accepted + 1}`)]);
      const send = named.native.send(repeated(payload, given));
      // A refusal comes at once; a receipt, or its failure, takes the way to the broker.
      const refused = await Promise.race([send.then(() => null, (error) => error), Promise.resolve(null).then(() => null)]);
      if (refused !== null) return `accepted ${accepted}, then ${errorText(refused)}`;
      named.sends.push(send);
      send.catch(() => {});
    }
    return `accepted ${count}`;
  },

  async receipts(_step, named) {
    const missing = sleep(PATIENCE, 'missing', { ref: false });
    const ends = named.sends.splice(0).map((send) => send.then(() => 'ok', (error) => error.kind));
    const counts = new Map();
    for (const end of ends) {
      const kind = await Promise.race([end, missing]);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    const kinds = [...counts.keys()].sort((a, b) => (b === 'ok') - (a === 'ok') || (a < b ? -1 : 1));
    return kinds.map((kind) => `${kind} ${counts.get(kind)}`).join(', ');
  },

  flush: (_step, { native }) => native.flush({ timeout: PATIENCE }),

  receive(step, named) {
    return this.receiving(step, named, async () => [await named.native.receive({ timeout: timeoutOf(step.given) })]);
  },

  receive_many(step, named) {
    return this.receiving(step, named, (most) => named.native.receiveMany(most, { timeout: timeoutOf(step.given) }));
  },

  async interrupt(_step, { native }) {
    const signal = AbortSignal.timeout(100);
    try {
      await native.receive({ signal, timeout: PATIENCE });
    } catch (error) {
      if (error === signal.reason) return 'interrupted';
      throw error;
    }
    return 'received';
  },

  async read_to_end(_step, { native }) {
    const messages = [];
    for await (const message of native.untilCaughtUp()) messages.push(message);
    return this.withMessages(`${messages.length}`, messages, false);
  },

  async drain({ given }, { native, seen }) {
    const progress = () => seen.progress(given.get('payload'), number(given, 'count'));
    let end = Date.now() + PATIENCE;
    while (!progress().startsWith('all')) {
      try {
        const message = await native.receive({ timeout: Math.max(0, end - Date.now()) });
        native.ack(message);
        if (seen.add(message.data)) end = Date.now() + PATIENCE;
      } catch (error) {
        if (error instanceof stargate.TimeoutError) break;
        throw error;
      }
    }
    return progress();
  },

  available: async (_step, { native }) => ((await native.hasMessageAvailable()) ? 'yes' : 'no'),

  compare(step) {
    const same = this.message(step).id.equals(this.ids.get(key(step.given.get('payload'))));
    return same ? 'same id' : 'different id';
  },

  seek({ given }, { native }) {
    const to = given.get('to').toString();
    const position = to.startsWith('@') ? this.ids.get(to.slice(1)) : to;
    return native.seek(position, { after: given.get('after')?.toString() === 'true' });
  },

  ack(step, named) {
    if (!step.given.has('payload')) {
      named.native.ackMany(named.inHand.splice(0));
      return;
    }
    const message = this.message(step);
    named.native.ack(message);
    named.inHand.splice(named.inHand.indexOf(message), 1);
  },

  ack_cumulative(step, { native }) {
    native.ackCumulative(this.message(step));
  },

  nack(step, named) {
    const message = this.message(step);
    named.native.nack(message);
    named.inHand.splice(named.inHand.indexOf(message), 1);
  },

  async reconsume_later(step, named) {
    const message = this.message(step);
    await named.native.reconsumeLater(message, millis(step.given.get('delay')));
    named.inHand.splice(named.inHand.indexOf(message), 1);
  },

  backlog: async ({ given }, { native }) => `${await until(() => native.backlog(), number(given, 'count'))}`,
  end_of_topic: async (_step, { native }) => ((await until(() => native.isEndOfTopic(), true)) ? 'yes' : 'no'),
  unsubscribe: (_step, { native }) => native.unsubscribe(),

  listen({ given }, { native, seen }) {
    const is = (data, name) => given.has(name) && data.equals(given.get(name));
    native.listen(
      ({ data }) => {
        if (!seen.add(data)) return 'ack';
        if (is(data, 'nack_once')) return 'nack';
        if (is(data, 'fail_once')) throw new Error('this handler fails once');
        return is(data, 'reconsume_once') ? { reconsumeLater: 100 } : 'ack';
      },
      { onError: () => 'nack' },
    );
  },

  async handled({ given }, { seen }) {
    if (!given.has('calls')) {
      const progress = () => seen.progress(given.get('payload'), number(given, 'count'));
      await until(() => progress().startsWith('all'), true);
      return progress();
    }
    await until(() => seen.payloads.length >= number(given, 'calls'), true);
    const count = (payload) => seen.payloads.filter((other) => other === payload).length;
    return [...seen.first].sort().map((payload) => `${payloadText(Buffer.from(payload, 'latin1'))} ${count(payload)}`).join(', ');
  },

  fault(step) {
    const { given } = step;
    const count = given.get('count')?.toString() === 'all' ? Infinity : number(given, 'count', 1);
    this.broker.fault(given.get('op').toString(), given.get('fault').toString(), { topic: this.topic(step), count });
  },

  down() {
    this.broker.down();
  },

  up() {
    this.broker.up();
  },

  cut(step) {
    this.broker.dropConnections(this.topic(step));
  },

  wait(step) {
    const options = { topic: this.topic(step), atLeast: number(step.given, 'count'), timeout: PATIENCE };
    return this.broker.wait(step.given.get('op').toString(), options);
  },

  stored(step) {
    return `${this.broker.messages(this.topic(step)).length}`;
  },

  partitions(step) {
    this.broker.createPartitioned(this.topic(step), number(step.given, 'count'));
  },

  deduplicate({ given }) {
    this.broker.setDeduplication(given.get('namespace').toString());
  },

  terminate(step) {
    this.broker.terminate(this.topic(step));
  },
};

function repeated(payload, given) {
  return Buffer.concat(new Array(number(given, 'repeat', 1)).fill(payload));
}

/** Carries out a scenario, and gives its transcript to `out`. */
async function run(file, url, out) {
  await new Interpreter(path.dirname(file), url, out).carryOut(parse(fs.readFileSync(file, 'ascii')));
}

if (require.main === module) {
  run(process.argv[2], process.argv[3], (line) => process.stdout.write(line)).catch((error) => {
    console.error(`${process.argv[2]}: ${error instanceof UnknownStep ? error.message : error.stack}`);
    process.exit(error instanceof UnknownStep ? 2 : 1);
  });
}

module.exports = { run };
