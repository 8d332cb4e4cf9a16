'use strict';

// The functions of an application that the library calls: changes of state, tokens, headers and keys.

const koffi = require('koffi');
const { aFunction } = require('./convert.js');
const { call, copied, warn } = require('./errors.js');
const { raw } = require('./library.js');
const { memcpy, structs, view } = require('./memory.js');
const { keepLasting, lasting, onState: onStateChange, register } = require('./pending.js');
const { constants, states, types } = require('./raw.js');

const { STARGATE_OK, STARGATE_TOO_BIG, STARGATE_NOT_FOUND, STARGATE_PRIVATE_KEY, STARGATE_AUTHENTICATION } = constants;

/** Calls `listener` with each change of state. Returns what forgets it. */
function onState(set, listener) {
  aFunction('onState', listener);
  const number = keepLasting((pointer) => listener(stateChange(pointer)));
  call('stargate_options_on_state', set, onStateChange, number, null);
  return () => lasting.delete(number);
}

function stateChange(pointer) {
  const change = koffi.decode(pointer, types.stargate_state_change);
  return {
    state: states[change.state] ?? 'unknown',
    session: change.session,
    topic: view(change.topic) ?? '',
    host: view(change.host) || null,
    proxy: view(change.proxy) || null,
    error: change.error === null ? null : copied(raw.stargate_error_status(change.error), change.error),
    retryIn: change.retry_in_ms < 0 ? null : Number(change.retry_in_ms),
  };
}

let onText = null;

/** Keeps a function that gives a text. The library asks on a thread of its own, which waits for the event loop. */
function supplier(name, ask) {
  aFunction(name, ask);
  onText ??= register(types.stargate_token_fn, (number, buffer, capacity, length) => {
    const ask = lasting.get(number);
    if (ask === undefined) return STARGATE_AUTHENTICATION;
    try {
      const answer = Buffer.from(ask());
      koffi.encode(length, 'size_t', answer.length);
      if (answer.length > capacity) return STARGATE_TOO_BIG;
      if (answer.length > 0) memcpy(buffer, answer, answer.length);
      return STARGATE_OK;
    } catch (error) {
      warn(error);
      return STARGATE_AUTHENTICATION;
    }
  });
  return keepLasting(ask);
}

/** Asks `ask` for the token of each connection. */
function token(set, ask) {
  const number = supplier('tokenSupplier', ask);
  call('stargate_options_on_token', set, onText, number, null);
  return () => lasting.delete(number);
}

/** Asks `ask` for the headers of each connection and request. */
function headers(set, ask) {
  const lines = () => Object.entries(ask()).map(([name, value]) => `${name}: ${value}`);
  aFunction('headersSupplier', ask);
  const number = supplier('headersSupplier', () => lines().join('\n'));
  call('stargate_options_on_headers', set, onText, number, null);
  return () => lasting.delete(number);
}

let onKey = null;

/** Asks a reader of keys for those of end-to-end encryption. */
function keys(set, reader) {
  onKey ??= register(types.stargate_key_fn, (number, half, name, metadata, count, key) => {
    const reader = lasting.get(number);
    if (reader === undefined) return STARGATE_NOT_FOUND;
    try {
      return supplyKey(reader, half, view(name), entries(metadata, Number(count)), key);
    } catch (error) {
      warn(error);
      return STARGATE_NOT_FOUND;
    }
  });
  const number = keepLasting(reader);
  call('stargate_options_on_key', set, onKey, number, null);
  return () => lasting.delete(number);
}

function entries(pointer, count) {
  if (count === 0) return {};
  const properties = structs(pointer, types.stargate_property, count);
  return Object.fromEntries(properties.map(({ key, value }) => [key, value]));
}

function supplyKey(reader, half, name, metadata, key) {
  const found = half === STARGATE_PRIVATE_KEY ? reader.privateKey?.(name, metadata) : reader.publicKey?.(name);
  if (found === undefined || found === null) return STARGATE_NOT_FOUND;
  const { pem, metadata: added = {} } = typeof found === 'string' || found instanceof Uint8Array ? { pem: found } : found;
  const bytes = Buffer.from(pem);
  call('stargate_key_set', key, bytes, bytes.length);
  for (const [entry, value] of Object.entries(added)) call('stargate_key_add_metadata', key, entry, value);
  return STARGATE_OK;
}

module.exports = { headers, keys, onState, token };
