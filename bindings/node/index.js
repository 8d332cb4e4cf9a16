'use strict';

const { Admin } = require('./src/admin.js');
const { Client } = require('./src/client.js');
const { Consumer } = require('./src/consumer.js');
const { classes } = require('./src/errors.js');
const { libraryVersion } = require('./src/library.js');
const { Message } = require('./src/message.js');
const { MessageId } = require('./src/message_id.js');
const { produce } = require('./src/produce.js');
const { Producer } = require('./src/producer.js');
const { version } = require('./src/raw.js');
const { Reader } = require('./src/reader.js');
const { Supervisor } = require('./src/supervisor.js');

module.exports = {
  ...classes,
  Admin,
  Client,
  Consumer,
  libraryVersion,
  Message,
  MessageId,
  produce,
  Producer,
  Reader,
  Supervisor,
  version,
};
