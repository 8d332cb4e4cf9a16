'use strict';

// Finds and loads libstargate, and checks its version.

const fs = require('node:fs');
const path = require('node:path');
const { load, version } = require('./raw.js');

const VARIABLE = 'STARGATE_LIBRARY';
const BESIDE = path.join(__dirname, '..', 'libstargate.so');

const [major, minor, patch] = version.split('.').map(Number);
const SYSTEM = `libstargate.so.${major === 0 ? `0.${minor}` : major}`;

/** Returns an error with the code by which programs know it. */
function unusable(text, cause) {
  return Object.assign(new Error(text, { cause }), { code: 'ERR_STARGATE_LIBRARY' });
}

/** Returns where to load the library from: a path, or a name for the system's loader. */
function place() {
  if (process.env[VARIABLE]) return process.env[VARIABLE];
  return fs.existsSync(BESIDE) ? BESIDE : SYSTEM;
}

/** Loads the library at `from`; an error says which places were tried. */
function open(from) {
  try {
    return load(from);
  } catch (cause) {
    const tried =
      from === SYSTEM
        ? `${VARIABLE} is not set, there is no ${BESIDE}, and the system does not find ${SYSTEM}`
        : `${from === BESIDE ? 'the one beside the package' : `that of ${VARIABLE}`} cannot be loaded`;
    throw unusable(
      `stargate needs the C library: ${tried} (${cause.message}). ` +
        `Install libstargate, or set ${VARIABLE} to the full path of libstargate.so.`,
      cause,
    );
  }
}

const from = place();
const raw = open(from);
const number = ((major << 24) | (minor << 16) | (patch << 8)) >>> 0;
if (raw.stargate_version_compatible(number) === 0) {
  throw unusable(
    `${from} is version ${raw.stargate_version()}, and this package is for ${version}: ` +
      `install libstargate ${major}.${minor}, or the package for the library's version.`,
  );
}

module.exports = { raw, libraryVersion: raw.stargate_version() };
