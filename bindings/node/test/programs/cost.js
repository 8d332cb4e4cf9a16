'use strict';

// The processor time of a message of 100 bytes, the library included, beside that of a program in C that does the same:
// `cost.js [COUNT]`. The broker is a mock in another process.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Client } = require('stargate');
const { withMock } = require('./mock.js');

const PAYLOAD = Buffer.alloc(100, 'x');
const IN_FLIGHT = 500;

/** Returns the microseconds of processor time that `work` takes for each of `count`. */
async function cost(count, work) {
  const begun = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / count;
}

async function inNode(url, count) {
  const client = new Client(url);
  const producer = await client.producer('cost');
  const opened = await client.consumer('cost', 'cost');
  await opened.close();
  const send = async (number) => {
    for (let sent = 0; sent < number; sent++) {
      const receipt = producer.send(PAYLOAD);
      if (sent % IN_FLIGHT === IN_FLIGHT - 1) await receipt;
    }
    await producer.flush();
  };
  const receive = async (number) => {
    const consumer = await client.consumer('cost', 'cost');
    for await (const message of consumer) {
      consumer.ack(message);
      if (--number === 0) break;
    }
    await consumer.close();
  };
  await send(count / 10); // until the code is compiled
  await receive(count / 10);
  const costs = [await cost(count, () => send(count)), await cost(count, () => receive(count))];
  await client.close();
  return costs;
}

/** Compiles the program in C, and returns what it prints; null where there is no compiler. */
function inC(url, count) {
  const library = process.env.STARGATE_LIBRARY;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'stargate-'));
  try {
    const include = path.join(__dirname, '../../../../include');
    const program = path.join(folder, 'cost');
    const source = path.join(__dirname, 'cost.c');
    const rpath = `-Wl,-rpath,${path.dirname(library)}`;
    execFileSync('cc', ['-O2', '-I', include, '-o', program, source, library, rpath]);
    return execFileSync(program, [url, `${count}`], { encoding: 'utf8' }).split(' ').map(Number);
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

async function measure(count) {
  return withMock(async (url) => {
    const c = inC(url, count);
    const node = await inNode(url, count);
    return ['send', 'receive'].map((name, index) => ({ name, node: node[index], c: c?.[index] }));
  });
}

if (require.main === module) {
  measure(Number(process.argv[2] ?? 100_000)).then((rows) => {
    for (const { name, node, c } of rows) {
      const ratio = c === undefined ? '' : `, in C ${c.toFixed(2)}: ${(node / c).toFixed(1)} times as much`;
      console.log(`${name}: ${node.toFixed(2)} us a message${ratio}`);
    }
  });
}

module.exports = { measure };
