'use strict';

// Messages received: copies of what the library holds, and the handles with which it acknowledges them.

const koffi = require('koffi');
const { call } = require('./errors.js');
const { raw } = require('./library.js');
const { bytes, memcpy, structs, text } = require('./memory.js');
const { MessageId } = require('./message_id.js');
const { types } = require('./raw.js');

const FIELDS = types.stargate_message_fields;
const SIZE = koffi.sizeof(FIELDS);
const NO_PROPERTIES = Object.freeze({});

/** The place of a field of stargate_message_fields, in words of so many bytes. */
const at = (name, bytes) => koffi.offsetof(FIELDS, name) / bytes;
const PAYLOAD = at('payload', 8);
const PAYLOAD_LEN = at('payload_len', 4);
const ID = at('id', 8);
const ID_LEN = at('id_len', 4);
const TOPIC = at('topic', 8);
const TOPIC_LEN = at('topic_len', 4);
const KEY = at('key', 8);
const KEY_LEN = at('key_len', 4);
const PROPERTIES = at('properties', 8);
const PROPERTY_COUNT = at('property_count', 4);
const CONTEXT = at('encryption_context', 8);
const CONTEXT_LEN = at('encryption_context_len', 4);
const PUBLISH_TIME = at('publish_time_ms', 4);
const EVENT_TIME = at('event_time_ms', 4);
const REDELIVERY_COUNT = at('redelivery_count', 4);
const RECONSUME_TIMES = at('reconsume_times', 4);
const IS_ENCRYPTED = at('is_encrypted', 4);

// The fields of the messages that are being read, as words of 8 and of 4 bytes.
let long = new BigUint64Array(0);
let short = new Uint32Array(0);

function makeRoom(count) {
  if (long.byteLength >= count * SIZE) return;
  long = new BigUint64Array((count * SIZE) / 8);
  short = new Uint32Array(long.buffer);
}

/** The text of a field; null where there is none. Most messages lack most of them: a pointer costs a BigInt. */
function textAt(l, length) {
  return (short[2 * l] | short[2 * l + 1]) === 0 ? null : text(long[l], short[length]);
}

function timeAt(index) {
  return short[index] + short[index + 1] * 2 ** 32;
}

function propertiesAt(l, count) {
  if (count === 0) return NO_PROPERTIES;
  const found = structs(long[l], types.stargate_property_fields, count);
  return Object.fromEntries(
    found.map(({ key, key_len, value, value_len }) => [text(key, Number(key_len)), text(value, Number(value_len))]),
  );
}

let handleOf;
let takeHandle;
let putHandle;

class Message {
  #handles;
  #index;
  #id;
  #publishTime;
  #eventTime;

  /** Reads the message at `index`. Its handle is there in `handles`, if it is to be acknowledged. */
  constructor(index, topic, handles) {
    const l = (index * SIZE) / 8;
    const s = (index * SIZE) / 4;
    this.#handles = handles;
    this.#index = index;
    this.#id = text(long[l + ID], short[s + ID_LEN]);
    this.#publishTime = timeAt(s + PUBLISH_TIME);
    this.#eventTime = timeAt(s + EVENT_TIME);
    this.data = bytes(long[l + PAYLOAD], short[s + PAYLOAD_LEN]);
    this.topic = topic;
    this.key = textAt(l + KEY, s + KEY_LEN);
    this.properties = propertiesAt(l + PROPERTIES, short[s + PROPERTY_COUNT]);
    this.redeliveryCount = short[s + REDELIVERY_COUNT];
    this.reconsumeTimes = short[s + RECONSUME_TIMES];
    this.isEncrypted = short[s + IS_ENCRYPTED] !== 0;
    this.encryptionContext = textAt(l + CONTEXT, s + CONTEXT_LEN);
  }

  get id() {
    if (typeof this.#id === 'string') this.#id = new MessageId(this.#id);
    return this.#id;
  }

  get publishTime() {
    return this.#publishTime === 0 ? null : new Date(this.#publishTime);
  }

  get eventTime() {
    return this.#eventTime === 0 ? null : new Date(this.#eventTime);
  }

  text() {
    return this.data.toString();
  }

  json() {
    return JSON.parse(this.text());
  }

  static {
    handleOf = (message) => message.#handles?.[message.#index] || null;
    takeHandle = (message) => {
      const handle = handleOf(message);
      if (handle !== null) message.#handles[message.#index] = 0n;
      return handle;
    };
    putHandle = (message, handle) => {
      message.#handles[message.#index] = handle;
    };
  }
}

/** Frees what nobody settled, once all messages that arrived together are forgotten. */
const forgotten = new FinalizationRegistry((memory) => free(new BigUint64Array(memory)));

function free(handles) {
  raw.stargate_messages_free(handles, handles.length);
}

/** Copies an array of messages of the library, and takes them over: until they are acknowledged, if they can be. */
function messagesAt(pointer, count, acknowledged) {
  const handles = new BigUint64Array(count);
  memcpy(handles, pointer, count * 8);
  return messagesOf(handles, acknowledged);
}

/** The same with the handles themselves. */
function messagesOf(handles, acknowledged) {
  const count = handles.length;
  makeRoom(count);
  call('stargate_messages_view', handles, count, long, SIZE);
  const messages = new Array(count);
  let topicAt = 0n;
  let topic = null;
  for (let index = 0; index < count; index++) {
    const l = (index * SIZE) / 8;
    if (long[l + TOPIC] !== topicAt) {
      topicAt = long[l + TOPIC];
      topic = text(topicAt, short[2 * l + TOPIC_LEN]);
    }
    messages[index] = new Message(index, topic, acknowledged ? handles : null);
  }
  if (acknowledged) forgotten.register(handles, handles.buffer);
  else free(handles);
  return messages;
}

module.exports = { Message, handleOf, messagesAt, messagesOf, putHandle, takeHandle };
