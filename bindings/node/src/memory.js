'use strict';

// Reads what the library points to. Everything is copied: views of native memory are costly, and soon dangle.

const koffi = require('koffi');
const { raw } = require('./library.js');

const process_ = koffi.load(null);
const memcpy = process_.func('memcpy', 'void', ['void *', 'void *', 'size_t']);
const dup = process_.func('dup', 'int', ['int']);

const exitNow = process_.func('_exit', 'void', ['int']);

const EMPTY = Buffer.alloc(0);

/** Returns the text of `length` bytes at `pointer`; null where there is none. */
function text(pointer, length) {
  if (pointer === null || pointer === 0n) return null;
  return length === 0 ? '' : koffi.decode.string(pointer, length);
}

/** Returns the text of a stargate_str. */
function view({ ptr, len }) {
  return text(ptr, Number(len));
}

/** Returns a text that the library gave, and frees it; null where there is none. */
function given(pointer) {
  if (pointer === null) return null;
  const copy = koffi.decode.string(pointer);
  raw.stargate_string_free(pointer);
  return copy;
}

/** Returns a copy of `length` bytes at `pointer`. */
function bytes(pointer, length) {
  if (length === 0) return EMPTY;
  const copy = Buffer.allocUnsafe(length);
  memcpy(copy, pointer, length);
  return copy;
}

/** Returns the structs of an array, as objects. One by one: for an array, koffi would make a type a call, and keep it. */
function structs(pointer, type, count) {
  const size = koffi.sizeof(type);
  return Array.from({ length: count }, (_, index) => koffi.decode(pointer, index * size, type));
}

module.exports = { bytes, dup, exitNow, given, memcpy, structs, text, view };
