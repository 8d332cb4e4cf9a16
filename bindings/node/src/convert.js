'use strict';

// Turns values of JavaScript into those of the library.

const { invalid } = require('./errors.js');

/** Returns a payload as bytes. */
function payloadBytes(payload) {
  if (typeof payload === 'string') return Buffer.from(payload);
  if (payload instanceof Uint8Array) return payload;
  if (ArrayBuffer.isView(payload)) return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (payload instanceof ArrayBuffer || payload instanceof SharedArrayBuffer) return Buffer.from(payload);
  throw invalid(`payload: expected a string, a Buffer or another view of bytes, got ${kindOf(payload)}`);
}

/** Returns a text that C can take: it would end at a U+0000. */
function cText(name, value) {
  if (typeof value !== 'string') throw invalid(`${name}: expected a string, got ${kindOf(value)}`);
  if (value.includes('\0')) throw invalid(`${name}: it contains U+0000`);
  return value;
}

/** Returns milliseconds since 1970 UTC of a Date or a number. */
function time(name, value) {
  const millis = value instanceof Date ? value.getTime() : value;
  if (!Number.isFinite(millis)) throw invalid(`${name}: expected a Date or a number of milliseconds, got ${kindOf(value)}`);
  return Math.trunc(millis);
}

/** Returns a length of time in milliseconds; -1, without limit, for none. */
function timeout(value, name = 'timeout') {
  if (value === undefined || value === null || value === Infinity) return -1;
  if (typeof value !== 'number' || !(value >= 0)) {
    throw invalid(`${name}: expected milliseconds, 0 or more, got ${kindOf(value)}`);
  }
  return Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER);
}

/** Returns a whole number from `least` on. */
function whole(name, value, least = 0) {
  if (!Number.isSafeInteger(value) || value < least) {
    throw invalid(`${name}: expected a whole number, ${least} or more, got ${kindOf(value)}`);
  }
  return value;
}

function aFunction(name, value) {
  if (typeof value !== 'function') throw invalid(`${name}: expected a function, got ${typeof value}`);
}

/** Describes a wrong value in an error. */
function kindOf(value) {
  if (typeof value === 'string') return JSON.stringify(value);
  return value === null || typeof value === 'number' ? `${value}` : typeof value;
}

/** The name of a key of the library in JavaScript: `queue_size` is `queueSize`. */
function camel(key) {
  return key.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

/** The key of the library for a name in JavaScript: `queueSize` is `queue_size`. */
function snake(name) {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A flat object of JSON with names of JavaScript. */
function camelKeys(json) {
  return Object.fromEntries(Object.entries(JSON.parse(json)).map(([key, value]) => [camel(key), value]));
}

module.exports = { aFunction, cText, camel, camelKeys, kindOf, payloadBytes, snake, time, timeout, whole };
