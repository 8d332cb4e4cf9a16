'use strict';

// Messages to send.

const koffi = require('koffi');
const { cText, payloadBytes, time, timeout } = require('./convert.js');
const { invalid } = require('./errors.js');
const { types } = require('./raw.js');

const NO_OPTIONS = Object.freeze({});
const NO_BYTES = Buffer.alloc(1); // of an empty Buffer, C gets NULL
const SIZE = koffi.sizeof(types.stargate_outgoing);

/** A message whose arguments are checked and converted. */
class Outgoing {
  constructor(payload, options = NO_OPTIONS) {
    this.payload = payloadBytes(payload);
    this.key = null;
    this.properties = null;
    this.eventTime = 0;
    this.deliverAt = 0;
    this.deliverAfter = 0;
    this.clusters = null;
    if (options !== NO_OPTIONS) this.#take(options);
  }

  #take({ key, properties, eventTime, deliverAt, deliverAfter, replicationClusters, disableReplication }) {
    // With a byte behind it, since an empty key is a key too.
    if (key !== undefined && key !== null) this.key = Buffer.from(`${cText('key', key)}\0`);
    if (properties) this.properties = propertyBytes(properties);
    if (eventTime !== undefined) this.eventTime = time('eventTime', eventTime);
    if (deliverAt !== undefined) this.deliverAt = time('deliverAt', deliverAt);
    if (deliverAfter !== undefined) this.deliverAfter = timeout(deliverAfter, 'deliverAfter');
    if (disableReplication && replicationClusters) {
      throw invalid('disableReplication and replicationClusters exclude each other');
    }
    if (disableReplication) this.clusters = ['__local__'];
    else if (replicationClusters) this.clusters = replicationClusters.map((name) => cText('replicationClusters', name));
  }

  get keyLength() {
    return this.key === null ? 0 : this.key.length - 1;
  }

  /** How many bytes of the producer's queue it takes. */
  get size() {
    return this.payload.length + this.keyLength + (this.properties?.length ?? 0);
  }

  /** The same as a stargate_outgoing. */
  struct() {
    const texts = this.properties === null ? [] : this.properties.toString().split('\0').slice(0, -1);
    const properties = [];
    for (let index = 0; index < texts.length; index += 2) properties.push({ key: texts[index], value: texts[index + 1] });
    return {
      struct_size: SIZE,
      payload: { ptr: this.payload.length === 0 ? NO_BYTES : this.payload, len: this.payload.length },
      key: this.key === null ? null : this.key.toString('utf8', 0, this.keyLength),
      properties: properties.length === 0 ? null : properties,
      property_count: properties.length,
      context: null,
      event_time_ms: this.eventTime,
      deliver_at_ms: this.deliverAt,
      deliver_after_ms: this.deliverAfter,
      replication_clusters: this.clusters,
      replication_cluster_count: this.clusters?.length ?? 0,
    };
  }
}

/** Names and values in turn, each with a 0 at its end. */
function propertyBytes(properties) {
  const entries = properties instanceof Map ? [...properties] : Object.entries(properties);
  if (entries.length === 0) return null;
  const texts = entries.flatMap(([name, value]) => [cText('property', name), cText(`property ${name}`, value)]);
  return Buffer.from(`${texts.join('\0')}\0`);
}

/** A payload, or an object with one, as payload and options. */
function payloadAndOptions(message) {
  if (typeof message === 'string' || message instanceof ArrayBuffer || ArrayBuffer.isView(message)) return [message];
  const { payload, ...options } = message ?? {};
  return [payload, options];
}

/** Checks and converts messages. */
function outgoings(messages) {
  return Array.from(messages, (message) => new Outgoing(...payloadAndOptions(message)));
}

module.exports = { Outgoing, outgoings, payloadAndOptions };
