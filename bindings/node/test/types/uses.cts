// As uses.mts, for CommonJS.

import stargate = require('stargate');
import testing = require('stargate/testing');

export const client: stargate.Client = new stargate.Client(new testing.MockBroker().url);
export const version: string = stargate.version;
