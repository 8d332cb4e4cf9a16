'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');
const { run } = require('./scenario.js');

const TABLE = path.join(__dirname, '../../../tests/scenarios/table');
const names = fs.readdirSync(TABLE).filter((name) => name.endsWith('.scenario'));

describe('the table of scenarios', { concurrency: true }, () => {
  for (const name of names) {
    it(name.replace('.scenario', ''), async () => {
      const lines = [];
      await run(path.join(TABLE, name), undefined, (line) => lines.push(line));
      const expected = fs.readFileSync(path.join(TABLE, name.replace('.scenario', '.transcript')), 'utf8');
      assert.equal(lines.join(''), expected);
    });
  }

  it('is there', () => assert.ok(names.length >= 30));
});
