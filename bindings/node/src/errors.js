'use strict';

// What can go wrong: a class for each status of the library.

const { inspect } = require('node:util');
const koffi = require('koffi');
const { raw } = require('./library.js');
const { text } = require('./memory.js');
const { constants, statuses, types } = require('./raw.js');

class StargateError extends Error {
  constructor(message, { status = constants.STARGATE_INTERNAL, topic, brokerText, httpStatus, retriable } = {}) {
    super(message);
    this.kind = statuses[status] ?? 'unknown';
    this.code = `STARGATE_${this.kind.toUpperCase()}`;
    this.topic = topic ?? null;
    this.brokerText = brokerText ?? null;
    this.httpStatus = httpStatus || null;
    this.retriable = retriable ?? false;
  }

  get name() {
    return this.constructor.name;
  }
}

/** The name of the class of a kind: `not_found` is NotFoundError. */
function className(kind) {
  return `${kind.replace(/(?:^|_)(\w)/g, (_, letter) => letter.toUpperCase())}Error`;
}

const classes = { StargateError };
const classOf = new Map();
for (const [number, kind] of Object.entries(statuses)) {
  if (kind === 'ok') continue;
  const name = className(kind);
  classes[name] = { [name]: class extends StargateError {} }[name];
  classOf.set(Number(number), classes[name]);
}

/** Creates the error of a status. */
function failure(status, message, fields = {}) {
  const Class = classOf.get(status) ?? StargateError;
  return new Class(message, { ...fields, status });
}

/** Returns an argument's mistake, of this package's own. */
function invalid(message) {
  return failure(constants.STARGATE_INVALID_ARGUMENT, message);
}

const SIZE = koffi.sizeof(types.stargate_error_fields);

/** Copies an error of the library, which stays the library's. `otherwise` is the text of one that it does not describe. */
function copied(status, pointer, otherwise) {
  if (pointer === null) return failure(status, otherwise ?? `the library gives no text (${statuses[status]})`);
  const fields = {};
  raw.stargate_error_view(pointer, fields, SIZE);
  return failure(fields.status, text(fields.message, Number(fields.message_len)), {
    topic: text(fields.topic, Number(fields.topic_len)),
    brokerText: text(fields.broker_text, Number(fields.broker_text_len)),
    httpStatus: fields.http_status,
    retriable: fields.is_retriable !== 0,
  });
}

/** Copies an error that the library gave, and frees it. */
function taken(status, pointer, otherwise) {
  const error = copied(status, pointer, otherwise);
  raw.stargate_error_free(pointer);
  return error;
}

/** Lets the stack of an error show the calls that wait for it, and not the callback that reported it. */
function waitedFor(error) {
  if (error instanceof StargateError) Error.captureStackTrace(error, waitedFor);
  return error;
}

/** Reports what a function of the application threw: that can be anything. */
function warn(thrown) {
  process.emitWarning(thrown instanceof Error ? thrown : inspect(thrown));
}

const slot = [null];

/** Calls a function of the library that does not wait; throws its error. */
function call(name, ...values) {
  const status = raw[name](...values, slot);
  if (status !== 0) throw taken(status, slot[0]);
}

module.exports = { ...classes, call, classes, copied, failure, invalid, taken, waitedFor, warn };
