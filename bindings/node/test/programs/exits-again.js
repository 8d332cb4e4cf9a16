'use strict';

// Ends 100 processes with work pending, in all ways of exits.js in turn: `exits-again.js [COUNT]`.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { withMock } = require('./mock.js');

const WAYS = ['idle', 'sends', 'crowd', 'exit-sends', 'exit-waits', 'exit-callback', 'aborted', 'worker'];

withMock(async (url) => {
  const count = Number(process.argv[2] ?? 100);
  let longest = 0;
  for (let number = 0; number < count; number++) {
    const way = WAYS[number % WAYS.length];
    const begun = performance.now();
    const program = spawn(process.execPath, [path.join(__dirname, 'exits.js'), way, url], { stdio: 'inherit' });
    const hung = setTimeout(() => program.kill('SIGKILL'), 30_000);
    const [code, signal] = await once(program, 'exit');
    clearTimeout(hung);
    if (signal !== null || code !== (way.startsWith('exit-') ? 3 : 0)) throw new Error(`${way}: ${code ?? signal}`);
    longest = Math.max(longest, performance.now() - begun);
  }
  console.log(`${count} processes ended with work pending, the longest after ${longest.toFixed(0)} ms`);
});
