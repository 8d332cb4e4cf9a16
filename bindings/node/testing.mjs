import testing from './testing.js';

export const {
  MockBroker,
} = testing;
