'use strict';

const koffi = require('koffi');
const { abortable, timeLeft } = require('./abort.js');
const { cText } = require('./convert.js');
const { copied } = require('./errors.js');
const { raw } = require('./library.js');
const { structs } = require('./memory.js');
const { MessageId } = require('./message_id.js');
const { optionSet } = require('./options.js');
const { outgoings } = require('./outgoing.js');
const threads = require('./threads.js');
const { types } = require('./raw.js');

const SIZE = koffi.sizeof(types.stargate_send_result);

/** Sends messages over a connection of their own, which is closed in any case. */
async function produce(url, messages, { timeout: limit, signal, ...options } = {}) {
  signal?.throwIfAborted();
  const given = outgoings(messages).map((message) => message.struct());
  if (given.length === 0) return [];
  return await abortable(() => sent(cText('url', url), given, timeLeft(limit), options), signal);
}

async function sent(url, given, left, options) {
  const results = Buffer.alloc(given.length * SIZE);
  const { set, end } = optionSet(options);
  let failed = null;
  try {
    await threads.run('stargate_produce', url, given, given.length, set, left, results);
  } catch (error) {
    failed = error;
  }
  raw.stargate_options_free(set); // not before: the thread reads it
  end();
  return settled(results, given.length, failed);
}

/** Returns the outcomes; throws what failed before any message had one of its own. */
function settled(results, count, failed) {
  const found = structs(results, types.stargate_send_result, count);
  if (failed !== null && found.every(({ error }) => error === null)) throw failed;
  const ends = found.map(({ status, message_id: id, error }) => {
    if (status !== 0) return { status: 'rejected', reason: copied(status, error) };
    return { status: 'fulfilled', value: id === null ? null : new MessageId(koffi.decode.string(id)) };
  });
  raw.stargate_send_results_free(results, count);
  return ends;
}

module.exports = { produce };
