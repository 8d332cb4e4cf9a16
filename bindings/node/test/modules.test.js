'use strict';

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { MockBroker } = require('stargate/testing');

const run = promisify(execFile);
const ROOT = path.join(__dirname, '..');

test('both kinds of modules have the same names, and the types have them too', async () => {
  for (const name of ['index', 'testing']) {
    const commonjs = require(`../${name}.js`);
    const esm = await import(`../${name}.mjs`);
    assert.deepEqual(Object.keys(esm).sort(), Object.keys(commonjs).sort());
    const files = name === 'index' ? ['index.d.ts', 'src/generated.d.ts', 'src/admin.d.ts', 'src/admin_calls.d.ts'] : ['testing.d.ts'];
    const declared = files.map((file) => fs.readFileSync(path.join(ROOT, file), 'utf8')).join('');
    for (const [exported, value] of Object.entries(commonjs)) {
      assert.match(declared, new RegExp(`^export (class|const|function) ${exported}\\b`, 'm'));
      if (typeof value !== 'function' || !value.prototype) continue;
      const members = Object.getOwnPropertyNames(value.prototype).filter((member) => !/^(_|constructor$|name$)/.test(member));
      for (const member of members) assert.match(declared, new RegExp(`^  (readonly |async )?${member}\\b`, 'm'), `${exported}.${member}`);
    }
  }
});

/** Runs the programs of a page with a mock broker, and returns what they print. */
async function programs(t, page) {
  const mock = new MockBroker();
  t.after(() => mock.close());
  const output = [];
  for (const [, program] of fs.readFileSync(path.join(ROOT, page), 'utf8').matchAll(/```js\n(.*?)```/gs)) {
    const file = path.join(ROOT, 'test', `.page-${process.pid}-${output.length}.mjs`); // where the package finds itself
    t.after(() => fs.rmSync(file));
    fs.writeFileSync(file, program.replaceAll('localhost:8080', mock.url.replace('ws://', '')));
    const env = { ...process.env };
    delete env.NODE_TEST_CONTEXT; // or a test in it reports to this one
    output.push((await run(process.execPath, [file], { env, timeout: 30_000 })).stdout);
  }
  return output;
}

test('the program of the README runs', async (t) => {
  const [output] = await programs(t, 'README.md');
  assert.match(output, /^stored: \S+\nreceived: one pizza for anna\n$/);
});

test('the programs of docs/node.md run', async (t) => {
  const [send, produce, receive, handle, supervise, administer, unitTest] = await programs(t, '../../docs/node.md');
  assert.match(send, /^MessageId\(.*\)\n$/);
  assert.match(produce, /^fulfilled \S+\nfulfilled \S+\n$/);
  assert.match(receive, /^MessageId.*\na\nb\nc\nd\ne\nTimeoutError\n$/s);
  assert.equal(handle, "bill anna { pizza: 'margherita' }\n");
  assert.equal(supervise, 'deliver one pizza\n');
  assert.match(administer, /invoices-partition-2\n.*\[ 'billing' \]\n$/s);
  assert.match(unitTest, /^(# |ℹ )pass 1$/m);
});

async function loading(environment) {
  const env = { ...process.env, ...environment };
  if (env.STARGATE_LIBRARY === undefined) delete env.STARGATE_LIBRARY;
  return run(process.execPath, ['-p', "require('stargate').libraryVersion"], { cwd: ROOT, env }).then(
    ({ stdout }) => stdout.trim(),
    ({ stderr }) => stderr,
  );
}

test('the library is found by the variable, beside the package, or in the system', async (t) => {
  const library = process.env.STARGATE_LIBRARY;
  assert.equal(await loading({}), require('stargate').version);
  assert.match(await loading({ STARGATE_LIBRARY: '/nowhere/libstargate.so' }), /that of STARGATE_LIBRARY cannot be loaded/);
  const nowhere = await loading({ STARGATE_LIBRARY: undefined });
  assert.match(nowhere, /STARGATE_LIBRARY is not set, there is no .*node\/libstargate\.so, and the system does not find libstargate\.so\.0\.1/);
  assert.match(nowhere, /ERR_STARGATE_LIBRARY/);

  const folder = fs.mkdtempSync('/tmp/stargate-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.symlinkSync(library, path.join(folder, 'libstargate.so.0.1'));
  assert.equal(await loading({ STARGATE_LIBRARY: undefined, LD_LIBRARY_PATH: folder }), require('stargate').version);

  const beside = path.join(ROOT, 'libstargate.so');
  fs.symlinkSync(library, beside);
  t.after(() => fs.rmSync(beside, { force: true }));
  assert.equal(await loading({ STARGATE_LIBRARY: undefined }), require('stargate').version);
});

test('a library of another version is refused, with both versions', async (t) => {
  const file = path.join(ROOT, 'test', `.version-${process.pid}.cjs`);
  t.after(() => fs.rmSync(file));
  fs.writeFileSync(file, "require('../src/raw.js').version = '0.2.0'; require('stargate');");
  const error = await run(process.execPath, [file]).catch(({ stderr }) => stderr);
  assert.match(error, /is version 0\.1\.0, and this package is for 0\.2\.0: install libstargate 0\.2/);
});
