'use strict';

// What the tests of lifetimes share: a log of calls of the library, and garbage collection.

const v8 = require('node:v8');
const vm = require('node:vm');
const { raw } = require('../src/library.js');

v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc');

/** Replaces a function of the library, for a test, by what `by` makes of it. */
function replace(test, name, by) {
  const original = raw[name];
  Object.defineProperty(raw, name, { value: by(original) });
  test.after(() => Object.defineProperty(raw, name, { value: original }));
}

/** Returns an array that gets the name of each of these functions of the library when a call of it ends. */
function ended(test, ...names) {
  const log = [];
  for (const name of names) {
    const logged = (call) => (...values) => {
      const result = call(...values);
      if (result instanceof Promise) result.finally(() => log.push(name)).catch(() => {});
      else log.push(name);
      return result;
    };
    replace(test, name, (original) => Object.assign(logged(original), { sync: logged(original.sync) }));
  }
  return log;
}

/** Collects garbage, and lets finalizers run. */
async function collect() {
  for (let round = 0; round < 5; round++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

module.exports = { collect, ended, replace };
