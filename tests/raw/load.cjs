// Declares everything in bindings/node/src/raw.js, and compares the structs with the JSON: load.cjs LIBRARY
'use strict';

const assert = require('node:assert');
const path = require('node:path');
const koffi = require('koffi');
const { load, types, constants } = require('../../bindings/node/src/raw.js');

const abi = require(path.join(__dirname, '../../include/stargate.abi.json'));
const raw = load(process.argv[2]);

for (const { name } of abi.functions) assert.strictEqual(typeof raw[name], 'function', name);
for (const { name, size, fields } of abi.structs) {
  assert.strictEqual(koffi.sizeof(types[name]), size, name);
  for (const field of fields) {
    assert.strictEqual(koffi.offsetof(types[name], field.name), field.offset, `${name}.${field.name}`);
  }
}

const error = [null];
assert.strictEqual(raw.stargate_client_new('nonsense', null, [null], error), constants.STARGATE_INVALID_ARGUMENT);
const { ptr, len } = raw.stargate_error_message(error[0]);
assert.match(koffi.decode(ptr, 'char', len), /service URL/);
raw.stargate_error_free(error[0]);

// What may wait does so elsewhere.
raw.stargate_producer_flush(null, 0, null).then((status) => {
  assert.strictEqual(status, constants.STARGATE_INVALID_ARGUMENT);
  console.log(`${abi.functions.length} functions`);
});
