'use strict';

// What every Node client of the benchmark shares. The arguments are explained in src/lib.rs; here are the roles send
// and receive.

const { randomBytes } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { parseArgs } = require('node:util');

const STEP = 6101; // where the next payload begins
const RANGE = 1 << 16; // of beginnings
const CHECK = 16; // messages between two reads of the clock
const SAMPLES = 1 << 15; // latencies that are kept

/** Returns the workload that the client was asked for. */
function workloadOfArguments() {
  const text = (value) => ({ type: 'string', default: value });
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: text(),
      topic: text('bytes-100'),
      subscription: text('bench'),
      size: text('100'),
      window: text('1000'),
      connections: text('1'),
      batched: { type: 'boolean', default: false },
      warmup: text('0.3'),
      seconds: text('1'),
      limit: text('0'),
    },
  });
  const [role] = positionals;
  if (role !== 'send' && role !== 'receive') throw new Error('expected: send|receive --url URL [--topic T] ...');
  if (values.connections !== '1') throw new Error('the Node clients have one connection');
  const workload = { ...values, role };
  for (const name of ['size', 'window', 'warmup', 'seconds', 'limit']) workload[name] = Number(values[name]);
  return workload;
}

/** Returns the URL of the workload's endpoint, query parameters included. */
function websocketUrl({ url, role, topic, subscription, window, batched }) {
  const name = `persistent/public/default/${topic}`;
  if (role === 'receive') {
    const query = `receiverQueueSize=${window}&subscriptionInitialPosition=Earliest`;
    return `${url}/ws/v2/consumer/${name}/${subscription}?${query}`;
  }
  const batching = batched ? 'batchingEnabled=true&batchingMaxMessages=1000&batchingMaxPublishDelay=1' : '';
  return `${url}/ws/v2/producer/${name}?${batching}`;
}

/** Random payloads, each different from those before it: slices of one random buffer. */
class Payloads {
  #random;
  #size;

  constructor(size) {
    this.#random = randomBytes(size + RANGE);
    this.#size = size;
  }

  get(number) {
    const begin = (number * STEP) % RANGE;
    return this.#random.subarray(begin, begin + this.#size);
  }
}

/** Counts messages, leaves those of the warm-up out, and says when it is enough. Times are milliseconds. */
class Meter {
  /** Of so many messages one is timed. */
  timed;

  #workload;
  #total = 0;
  #unchecked = 0;
  #first;
  #begin;
  #end;
  #latencies = new Float64Array(SAMPLES);
  #noted = 0;

  constructor(workload) {
    this.#workload = workload;
    this.timed = workload.window === 1 ? 1 : 16;
  }

  /** Counts messages that were sent and confirmed, or received; whether to go on. */
  done(messages) {
    this.#total += messages;
    this.#unchecked += messages;
    const { limit, warmup, seconds } = this.#workload;
    const last = limit > 0 && this.#total >= limit;
    if (this.#unchecked < CHECK && !last && this.#total > CHECK) return true;
    this.#unchecked = 0;
    const now = performance.now();
    this.#first ??= now;
    if (this.#begin === undefined) {
      if (now - this.#first >= warmup * 1000 || (limit > 0 && this.#total >= limit / 5)) {
        this.#noted = 0;
        this.#begin = this.#sample();
      }
    } else if (now - this.#begin.at >= seconds * 1000 || last) {
      this.#end = this.#sample();
    }
    return this.#end === undefined;
  }

  /** Notes how long one message took. Of very many the last count. */
  latency(taken) {
    this.#latencies[this.#noted++ % SAMPLES] = taken;
  }

  #sample() {
    const { user, system } = process.cpuUsage(); // getrusage: the whole process, in microseconds
    return { at: performance.now(), messages: this.#total, cpu: user + system, resident: statusMb('VmRSS') };
  }

  /** Prints one JSON object, and ends the process: what is in flight does not matter any more. */
  report() {
    if (this.#end === undefined) throw new Error('the workload ended in the warm-up');
    const messages = this.#end.messages - this.#begin.messages;
    const seconds = (this.#end.at - this.#begin.at) / 1000;
    const result = {
      messages,
      seconds,
      rate: messages / seconds,
      mb: (messages * this.#workload.size) / seconds / 1e6,
      cpu: (this.#end.cpu - this.#begin.cpu) / messages,
      peak_mb: statusMb('VmHWM'),
      grown_mb: this.#end.resident - this.#begin.resident,
    };
    if (this.#noted > 0) {
      const ordered = this.#latencies.subarray(0, Math.min(this.#noted, SAMPLES)).sort();
      for (const part of [50, 99]) result[`p${part}`] = ordered[Math.floor((ordered.length * part) / 100)];
    }
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
  }
}

/** Returns a number of /proc/self/status in MiB. */
function statusMb(name) {
  const found = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${name}:\\s*(\\d+)`, 'm'));
  return found ? Number(found[1]) / 1024 : 0;
}

module.exports = { Meter, Payloads, websocketUrl, workloadOfArguments };
