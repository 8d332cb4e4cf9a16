'use strict';

// Options: names of JavaScript here, keys of the library there. The library checks them.

const { cText, kindOf, snake } = require('./convert.js');
const { call, invalid } = require('./errors.js');
const { raw } = require('./library.js');
const { view } = require('./memory.js');
const suppliers = require('./suppliers.js');

const HANDLING = [
  ['processors', '1'],
  ['ordering', 'none'],
];

/** Returns the options as the JSON of the library. */
function toJson(options) {
  const known = {};
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && value !== null) known[snake(name)] = optionValue(name, value);
  }
  return JSON.stringify(known);
}

function optionValue(name, value) {
  if (name === 'headers') return value;
  if (Array.isArray(value)) return value.join(',');
  if (typeof value === 'string') return cText(name, value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value.toString();
  // A message id, a URL, bytes of a file in PEM.
  if (typeof value === 'object' && value.toString !== Object.prototype.toString) return value.toString();
  throw invalid(`${name}: expected a string, a number or a boolean, got ${kindOf(value)}`);
}

/**
 * Calls `use` with a set of options of the library, and returns what it returned. `end` gives up the functions among the
 * options: it is to be called when nothing was opened, and after the last handle.
 */
function withOptions(options, use, how) {
  const { set, end } = optionSet(options, how);
  try {
    return use(set, end);
  } catch (error) {
    end();
    throw error;
  } finally {
    raw.stargate_options_free(set);
  }
}

/** Returns such a set, which is to be freed, and its `end`. */
function optionSet(options, { polled = false } = {}) {
  const { onState, tokenSupplier, headersSupplier, cryptoKeyReader, ...rest } = options;
  const set = raw.stargate_options_new();
  const kept = [];
  const end = () => kept.splice(0).forEach((forget) => forget());
  try {
    call('stargate_options_set_json', set, toJson(rest));
    // The library has checked these; handlers run here, and it is to keep one queue.
    for (const [key, value] of HANDLING) if (given(rest, key)) call('stargate_options_set', set, key, value);
    if (polled) call('stargate_options_poll_callbacks', set);
    if (onState !== undefined) kept.push(suppliers.onState(set, onState));
    if (tokenSupplier !== undefined) kept.push(suppliers.token(set, tokenSupplier));
    if (headersSupplier !== undefined) kept.push(suppliers.headers(set, headersSupplier));
    if (cryptoKeyReader !== undefined) kept.push(suppliers.keys(set, cryptoKeyReader));
    return { set, end };
  } catch (error) {
    end();
    raw.stargate_options_free(set);
    throw error;
  }
}

let described = null;

/** Returns the name of an option that is given. */
function given(options, key) {
  return Object.keys(options).find((name) => snake(name) === key && options[name] != null);
}

/** Returns an option as it was given, or its default. */
function optionOf(options, key) {
  const name = given(options, key);
  if (name !== undefined) return options[name];
  described ??= new Map(JSON.parse(view(raw.stargate_options_describe())).map((option) => [option.key, option.default]));
  return described.get(key);
}

module.exports = { optionOf, optionSet, withOptions };
