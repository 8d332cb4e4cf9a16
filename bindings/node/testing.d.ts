/**
 * A broker for tests of your own application: in memory, on a real socket, with faults on request. docs/testing.md has
 * the operations, the faults, and what it does not do. This module may change in a minor version.
 *
 * @packageDocumentation
 */

import type { MessageId, Payload, SendOptions, Waiting } from './index';

/** What a client or the broker does: where a fault can happen, and what {@link MockBroker.wait} waits for. */
export type Operation =
  | 'connect'
  | 'send'
  | 'ack'
  | 'nack'
  | 'permit'
  | 'receive'
  | 'ping'
  | 'close'
  | 'unsubscribe'
  | 'end_of_topic'
  | 'http'
  | 'disconnect';

/** What the broker requires and offers; without options it is as a real one, without authentication. */
export interface MockOptions {
  /** The port at 127.0.0.1; any free one by default. */
  port?: number;
  /** The token that may do everything. */
  token?: string;
  /** A token that is known and may do nothing (HTTP 403). */
  forbiddenToken?: string;
  /** Serve TLS with this certificate chain, a file in PEM; needs `tlsKeyFile`. */
  tlsCertFile?: string;
  tlsKeyFile?: string;
  /** Accept client certificates of this CA in place of a token. */
  tlsClientCaFile?: string;
  /** The user of HTTP Basic authentication that may do everything; needs `basicPassword`. */
  basicUser?: string;
  basicPassword?: string;
  /** Be an OAuth2 issuer with this client; needs `oauth2ClientSecret`. */
  oauth2ClientId?: string;
  oauth2ClientSecret?: string;
  oauth2Audience?: string;
  /** For how many milliseconds a token of the issuer is valid. */
  oauth2TokenLife?: number;
  /** Whether connecting to a topic that is missing creates it, as by default. */
  autoCreateTopics?: boolean;
  /** Largest message in bytes on the wire. */
  maxTextSize?: number;
  /** Milliseconds without traffic after which a connection is closed. */
  idleTimeout?: number;
  /** The version of Pulsar that it plays. */
  pulsarVersion?: string;
  /** Whether to accept the compression of WebSockets that clients offer, as by default. */
  websocketCompression?: boolean;
}

/** A message as the broker stored it. */
export interface StoredMessage {
  topic: string;
  id: MessageId;
  /** The content; null for a tombstone. */
  data: Buffer | null;
  key: string | null;
  properties: Record<string, string>;
  eventTime: Date | null;
  publishTime: Date | null;
  deliverAt: Date | null;
  producerName: string;
  sequenceId: number;
  /** Its place in its batch and the batch's size. */
  batch: [number, number] | null;
}

/** One thing that a client did or received. */
export interface MockRequest {
  /** Milliseconds since the broker was started. */
  at: number;
  op: Operation;
  topic: string;
  role: 'producer' | 'consumer' | 'reader' | 'admin';
  /** Which connection, counted from 1. */
  connection: number;
  detail: string;
}

/** A Pulsar broker at 127.0.0.1. It lives until it is closed, or the process ends; it keeps no process alive. */
export class MockBroker implements Disposable, AsyncDisposable {
  constructor(options?: MockOptions);
  /** The service URL, for `new Client(url)`. */
  readonly url: string;
  /** The URL of the REST API. */
  readonly httpUrl: string;
  /** The URL of the OAuth2 issuer that it is with `oauth2ClientId`. */
  readonly oauth2IssuerUrl: string | null;
  readonly port: number;

  /** Stores a message as if a producer had sent it; null is a tombstone. */
  publish(topic: string, payload: Payload | null, options?: Omit<SendOptions, 'signal'>): MessageId;
  /** Returns everything that a topic holds, acknowledged or not. */
  messages(topic: string): StoredMessage[];
  /** Returns how many messages a subscription has not acknowledged. */
  backlog(topic: string, subscription: string): number;

  createNamespace(name: string): void;
  createPartitioned(topic: string, partitions: number): void;
  /** Creates a subscription, at the end of the topic or at its beginning. */
  createSubscription(topic: string, subscription: string, options?: { earliest?: boolean }): void;
  setDeduplication(namespace: string, on?: boolean): void;
  terminate(topic: string): void;
  deleteTopic(topic: string): void;

  /** Scripts a fault for the next `count` times (1, or `Infinity`) that `op` happens on a topic, or on any. */
  fault(op: Operation, fault: string, options?: { topic?: string; count?: number }): void;
  /** How many faults have not happened yet. */
  readonly faultsLeft: number;
  clearFaults(): void;
  /** Drops all connections and refuses new ones; the data and the port stay. */
  down(): void;
  up(): void;
  /** Drops the connections of a topic, or all, and returns how many there were. */
  dropConnections(topic?: string): number;
  /** How many WebSocket connections are open. */
  readonly connections: number;

  /** Waits until `op` has happened `atLeast` times (1) on a topic, or on any: for 10,000 milliseconds, or `timeout`. */
  wait(op: Operation, options?: Waiting & { atLeast?: number; topic?: string }): Promise<void>;
  /** Returns how often `op` has happened. */
  count(op: Operation, options?: { topic?: string }): number;
  /** Returns what clients did and received, in order: all of it, or one operation. */
  requests(op?: Operation): MockRequest[];
  clearRequests(): void;

  /** Ends the broker and every connection to it. */
  close(): void;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}
