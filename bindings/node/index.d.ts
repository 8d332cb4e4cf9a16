/**
 * An Apache Pulsar client over Pulsar's WebSocket API.
 *
 * Times are milliseconds; points in time are `Date`, or milliseconds since 1970 UTC where they are arguments.
 *
 * @packageDocumentation
 */

import type { Admin } from './src/admin';
import type {
  ConnectionOptions,
  ConnectionState,
  ConsumerOptions,
  ErrorKind,
  ProducerOptions,
  ReaderOptions,
  Stats,
} from './src/generated';

export { Admin } from './src/admin';
export * from './src/generated';

/** The version of this package. */
export const version: string;
/** The version of the C library that runs. */
export const libraryVersion: string;

/** Options of every call that waits. */
export interface Waiting {
  /** The longest wait in milliseconds. There is no limit by default, except for `close` methods: 10,000 ms. */
  timeout?: number;
  /** Ends the wait at once, with the signal's reason. */
  signal?: AbortSignal;
}

/** The content of a message. A string is sent as UTF-8. */
export type Payload = string | ArrayBuffer | NodeJS.ArrayBufferView;

/** A change of state of a connection. */
export interface StateChange {
  state: ConnectionState;
  /** Which of the handle's connections it is; 0 when it has one. */
  session: number;
  topic: string;
  /** `name:port`; null if the change concerns no host. */
  host: string | null;
  /** The proxy of the connection, without its user; null for a direct one. */
  proxy: string | null;
  /** The reason, if there is one. */
  error: StargateError | null;
  /** Milliseconds until the next attempt; null when none follows. */
  retryIn: number | null;
}

/** Supplies the keys of end-to-end encryption: texts in PEM. The functions return at once: they cannot be async. */
export interface CryptoKeyReader {
  /** Returns the public key of this name, with which a producer encrypts, and what is to travel with each message. */
  publicKey?(name: string): string | Buffer | { pem: string | Buffer; metadata?: Record<string, string> } | null;
  /** Returns the private key of this name, with which a consumer decrypts. */
  privateKey?(name: string, metadata: Record<string, string>): string | Buffer | null;
}

/** The functions that may stand among the options of a client and of what it opens. */
export interface OptionFunctions {
  /** Receives each change of state of a connection. Of a client: those of everything that it opens, unless it has its own. */
  onState?: (change: StateChange) => void;
  /** Returns the token of each connection. It runs on the event loop, and cannot be async. */
  tokenSupplier?: () => string;
  /** Returns further headers of each connection and of each request to the REST API. It cannot be async. */
  headersSupplier?: () => Record<string, string>;
  /** Supplies the keys of end-to-end encryption, instead of options that name files. */
  cryptoKeyReader?: CryptoKeyReader;
}

/** Opens producers, consumers and readers. It opens no connection itself: each of them has its own. */
export class Client implements AsyncDisposable {
  /**
   * Creates a client for the servers at `url`, such as `ws://host:port`; several hosts are separated by commas. It does
   * not connect.
   *
   * @throws InvalidArgumentError for a URL, an option or a TLS file that is not acceptable.
   */
  constructor(url: string, options?: ConnectionOptions & OptionFunctions);

  /** Opens a producer, and waits until it is connected unless the option `lazy` is set. */
  producer(topic: string, options?: ProducerOptions & OptionFunctions & Waiting): Promise<Producer>;

  /**
   * Opens a consumer of one topic, of several, or of all topics whose full name matches a regular expression, and waits
   * until it is connected unless the option `lazy` is set.
   */
  consumer(
    topic: string | readonly string[] | { pattern: string },
    subscription: string,
    options?: ConsumerOptions & OptionFunctions & Waiting,
  ): Promise<Consumer>;

  /** Opens a consumer, and runs a handler on its messages; see {@link Receiver.listen}. */
  consume(
    topic: string | readonly string[] | { pattern: string },
    subscription: string,
    handler: Handler,
    options?: ConsumerOptions & OptionFunctions & Waiting & ListenOptions,
  ): Promise<Consumer>;

  /** Opens a reader, and waits until it is connected unless the option `lazy` is set. */
  reader(topic: string, options?: ReaderOptions & OptionFunctions & Waiting): Promise<Reader>;

  /** Administers the cluster through Pulsar's REST API. */
  readonly admin: Admin;

  /** The proxy of the connections, without its user and password; null if every host is reached directly. */
  readonly proxy: string | null;

  /** Returns the sum of the counters of everything that was opened through this client. */
  stats(): Stats;

  /**
   * Closes everything that was opened through this client: handlers finish their messages, sends get their receipts.
   *
   * @throws TimeoutError if that takes longer than `timeout`; then close it again. Handlers that still run go on.
   */
  close(options?: Waiting): Promise<void>;

  [Symbol.asyncDispose](): Promise<void>;
}

/** What producers, consumers and readers have in common. */
export interface Handle extends AsyncDisposable {
  /** The full name of the topic; for several topics, that of the first; for a pattern, a name that stands for it. */
  readonly topic: string;
  /** Whether all of its connections are up now. */
  readonly isConnected: boolean;
  /** Waits until it is connected, for example after an open with the option `lazy`. */
  waitConnected(options?: Waiting): Promise<void>;
  /** Returns the counters. */
  stats(): Stats;
  /**
   * Closes it: a producer waits for receipts, and handlers finish their messages. In a handler do not await it, since it
   * waits for that handler. It may be called more than once.
   *
   * @throws TimeoutError if that takes longer than `timeout`; then close it again. Handlers that still run go on.
   */
  close(options?: Waiting): Promise<void>;
}

/** What a message to send may have besides its content. */
export interface SendOptions {
  /** Decides the partition, and the consumer of a `key_shared` subscription. */
  key?: string;
  properties?: Record<string, string> | Map<string, string>;
  /** The application's time of the event. */
  eventTime?: Date | number;
  /** Deliver not before this time. Works on shared and `key_shared` subscriptions. */
  deliverAt?: Date | number;
  /** Deliver so many milliseconds later. Not together with `deliverAt`. */
  deliverAfter?: number;
  /** Replicate to these clusters, and to no others. */
  replicationClusters?: string[];
  /** Keep the message in the cluster that it is sent to. */
  disableReplication?: boolean;
  /**
   * Ends the wait. A message that still waited for room is not sent; one that was accepted before may be stored.
   */
  signal?: AbortSignal;
}

/** Sends messages to one topic. It reconnects by itself, and sends accepted messages without a receipt again. */
export class Producer implements Handle {
  private constructor();
  readonly topic: string;
  readonly isConnected: boolean;
  waitConnected(options?: Waiting): Promise<void>;
  stats(): Stats;
  close(options?: Waiting): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;

  /**
   * Sends a message, and resolves with its id once the broker has stored it; with null for a duplicate that the broker
   * dropped. Messages are stored in the order of the calls, also without an `await` between them.
   *
   * At most `maxPendingMsg` messages are in flight. Further ones wait for room in this process, in their order, for
   * `sendTimeout` at most; with the option `whenFull: 'fail'` they are refused. {@link Producer.ready} tells a fast
   * sender when to go on.
   */
  send(payload: Payload, options?: SendOptions): Promise<MessageId | null>;

  /**
   * Sends many messages in their order, as fast as there is room, and resolves with the outcome of each. It takes no more
   * from `messages` than there is room for. It rejects only with what `messages` throws.
   */
  sendMany(
    messages: Iterable<Payload | OutgoingMessage> | AsyncIterable<Payload | OutgoingMessage>,
  ): Promise<PromiseSettledResult<MessageId | null>[]>;

  /** Resolves as soon as no message waits for room. */
  ready(options?: { signal?: AbortSignal }): Promise<void>;

  /** Waits until every message sent before has its receipt or has failed. */
  flush(options?: Waiting): Promise<void>;
}

/** A message for {@link Producer.sendMany}. */
export interface OutgoingMessage extends SendOptions {
  payload: Payload;
}

/**
 * Sends messages over a connection of their own, which is closed in any case, and resolves with the outcome of each. `url`
 * is that of a producer, `ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic`, with the server's query
 * parameters if any.
 */
export function produce(
  url: string,
  messages: Iterable<Payload | OutgoingMessage>,
  options?: ProducerOptions & Waiting,
): Promise<PromiseSettledResult<MessageId | null>[]>;

/** A producer of a {@link Supervisor}. */
export interface SupervisedProducer extends ProducerOptions, OptionFunctions {
  topic: string;
}

/** A consumer of a {@link Supervisor}. Without a handler its messages are received from {@link Supervisor.consumer}. */
export interface SupervisedConsumer extends ConsumerOptions, OptionFunctions, ListenOptions {
  topic: string;
  subscription: string;
  handler?: Handler;
}

/** A reader of a {@link Supervisor}. After a restart it begins at its `startingMessage` again. */
export interface SupervisedReader extends ReaderOptions, OptionFunctions, ListenOptions {
  topic: string;
  handler?: Handler;
}

/** What a {@link Supervisor} holds. The options beside are those of a client. */
export interface SupervisorConfiguration extends ConnectionOptions, OptionFunctions {
  /** `'default'` if it is left out. */
  name?: string;
  /** `'name:port'`, or several. */
  host: string | readonly string[];
  /** `'ws'` if it is left out. */
  protocol?: 'ws' | 'wss';
  producer?: SupervisedProducer | readonly SupervisedProducer[];
  consumer?: SupervisedConsumer | readonly SupervisedConsumer[];
  reader?: SupervisedReader | readonly SupervisedReader[];
  /** How often a handle is opened again within `maxSeconds` before it is given up: 3 if it is left out. */
  maxRestarts?: number;
  /** 5 if it is left out. */
  maxSeconds?: number;
}

/**
 * Holds producers, consumers and readers under their topics, from one configuration. Connections reconnect by themselves. A
 * supervisor also opens again what ended with a permanent error, after half a second, and gives up what fails too often.
 * Each time there is a warning of the process (`StargateSupervisorWarning`).
 */
export class Supervisor implements AsyncDisposable {
  private constructor();

  /** Opens everything, one after the other. If something cannot be opened, all of it is closed. */
  static start(configuration: SupervisorConfiguration, options?: Waiting): Promise<Supervisor>;

  /** Returns the running supervisor of this name. Each worker thread has its own. */
  static find(name: string): Supervisor;

  readonly name: string;

  /** Opens one more producer. */
  addProducer(producer: SupervisedProducer & Waiting): Promise<void>;

  /** Opens one more consumer. */
  addConsumer(consumer: SupervisedConsumer & Waiting): Promise<void>;

  /** Opens one more reader. */
  addReader(reader: SupervisedReader & Waiting): Promise<void>;

  /** Returns the producer of a topic, as it is now; after a restart it is another one. @throws what it ended with. */
  producer(topic: string): Producer;

  /** Returns the consumer of a topic, as it is now. `subscription` may be left out when the topic has one consumer. */
  consumer(topic: string, subscription?: string): Consumer;

  /** Returns the reader of a topic, as it is now. */
  reader(topic: string): Reader;

  /** Returns what it holds. */
  keys(): { component: 'producer' | 'consumer' | 'reader'; topic: string; subscription?: string }[];

  /** Closes everything, as {@link Client.close} does. The name can then be used again. */
  close(options?: Waiting): Promise<void>;

  [Symbol.asyncDispose](): Promise<void>;
}

/** A received message. */
export class Message {
  private constructor();
  /** The content. */
  readonly data: Buffer;
  readonly id: MessageId;
  /** The full name of the topic that was subscribed to or read. */
  readonly topic: string;
  readonly key: string | null;
  readonly properties: Readonly<Record<string, string>>;
  /** When the broker stored it. */
  readonly publishTime: Date | null;
  /** The time that the sender gave it. */
  readonly eventTime: Date | null;
  /** How often it was delivered before. The broker counts on shared and `key_shared` subscriptions only. */
  readonly redeliveryCount: number;
  /** How often {@link Consumer.reconsumeLater} has brought it back. */
  readonly reconsumeTimes: number;
  /** Whether the content is still encrypted, which the option `cryptoFailureAction: 'consume'` allows. */
  readonly isEncrypted: boolean;
  /** How the content was encrypted, in the server's JSON, where the server passes it on. */
  readonly encryptionContext: string | null;
  /** Returns the content as UTF-8. */
  text(): string;
  /** Returns the content read as JSON. */
  json(): any;
}

/** The position of a message in its topic. */
export class MessageId {
  private constructor();
  /** The beginning of a topic. */
  static readonly earliest: MessageId;
  /** The end of a topic. */
  static readonly latest: MessageId;
  /** Returns the id that {@link MessageId.toString} or the WebSocket API wrote, in base64. */
  static from(text: string | MessageId): MessageId;
  /** Returns a number below 0, 0 or above 0 as `left` is before, at or after `right`; for `Array.prototype.sort`. */
  static compare(left: MessageId | string, right: MessageId | string): number;
  /** Whether it names the same message. The text of two ids of one message can differ. */
  equals(other: MessageId): boolean;
  readonly ledger: bigint;
  readonly entry: bigint;
  readonly partition: number | null;
  /** The place in a batch. */
  readonly batchIndex: number | null;
  /** The id in base64, to store it. */
  toString(): string;
  toJSON(): string;
}

/**
 * What a handler decides: nothing or `'ack'` acknowledges the message, `'nack'` requests redelivery after the option
 * `negativeAckDelay`, and `'continue'` leaves it to the application. `{ reconsumeLater: milliseconds }` is as
 * {@link Consumer.reconsumeLater}.
 */
export type Outcome = void | undefined | 'ack' | 'nack' | 'continue' | { reconsumeLater: number };

/** Handles a message. One that throws, or rejects, costs its message a negative acknowledgement; see `onError`. */
export type Handler = (message: Message) => Outcome | Promise<Outcome>;

export interface ListenOptions {
  /**
   * Decides about a message whose handler failed; nothing means `'nack'`. Without it the error is a warning of the process
   * (`StargateHandlerWarning`).
   */
  onError?: (error: unknown, message: Message) => Outcome | Promise<Outcome>;
}

/** What consumers and readers have in common. Receiving and a handler exclude each other. */
export interface Receiver extends Handle, AsyncIterable<Message> {
  /** Waits for the next message. @throws TimeoutError if none arrives within `timeout`. */
  receive(options?: Waiting): Promise<Message>;

  /** Waits for `max` messages or until the time is over, and resolves with those that arrived: none is no error. */
  receiveMany(max: number, options?: Waiting): Promise<Message[]>;

  /** Gives message after message until it is closed or `signal` is aborted. Throws the error that ended it, if one did. */
  messages(options?: { signal?: AbortSignal }): AsyncIterableIterator<Message>;

  /** The same without options: `for await (const message of consumer)`. */
  [Symbol.asyncIterator](): AsyncIterator<Message>;

  /**
   * Runs a handler on every message until it is closed. As many as the option `processors` run at a time, 1 by default:
   * that keeps the order of the topic. With `ordering: 'key'`, several keep the order of each key.
   */
  listen(handler: Handler, options?: ListenOptions): void;

  /** Waits until the handler has ended, by a close or by an error, with which it rejects. */
  wait(options?: { signal?: AbortSignal }): Promise<void>;

  /**
   * Moves to another position: the next message is the one at `to`, or with `after` the one after it. A `Date` stands for
   * the first message published then or later. Once it resolves, no message from before the seek is received.
   */
  seek(to: MessageId | 'earliest' | 'latest' | string | Date, options?: Waiting & { after?: boolean }): Promise<void>;

  /** Resolves with the ids of the last messages of the topic, one for each partition that has any. */
  lastMessageIds(options?: Waiting): Promise<MessageId[]>;

  /** Whether the topic was terminated and everything in it has been acknowledged or read. */
  isEndOfTopic(options?: Waiting): Promise<boolean>;
}

/** Consumes the messages of a subscription. The broker redelivers what is not acknowledged. It reconnects by itself. */
export class Consumer implements Receiver {
  private constructor();
  readonly topic: string;
  readonly isConnected: boolean;
  waitConnected(options?: Waiting): Promise<void>;
  stats(): Stats;
  close(options?: Waiting): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  receive(options?: Waiting): Promise<Message>;
  receiveMany(max: number, options?: Waiting): Promise<Message[]>;
  messages(options?: { signal?: AbortSignal }): AsyncIterableIterator<Message>;
  [Symbol.asyncIterator](): AsyncIterator<Message>;
  listen(handler: Handler, options?: ListenOptions): void;
  wait(options?: { signal?: AbortSignal }): Promise<void>;
  seek(to: MessageId | 'earliest' | 'latest' | string | Date, options?: Waiting & { after?: boolean }): Promise<void>;
  lastMessageIds(options?: Waiting): Promise<MessageId[]>;
  isEndOfTopic(options?: Waiting): Promise<boolean>;

  readonly subscription: string;

  /**
   * Acknowledges a message, or one by its id. The server does not answer acknowledgements, so there is nothing to wait
   * for: if one is lost with its connection, the message is redelivered.
   */
  ack(message: Message | MessageId): void;

  /** Acknowledges many messages. */
  ackMany(messages: Iterable<Message | MessageId>): void;

  /** Acknowledges a message and all before it. For exclusive and failover subscriptions of one topic. */
  ackCumulative(message: Message | MessageId): void;

  /**
   * Requests redelivery of a message after the option `negativeAckDelay`. On an exclusive or failover subscription the
   * broker redelivers everything that is not acknowledged.
   */
  nack(message: Message | MessageId): void;

  /**
   * Schedules redelivery of a message after so many milliseconds, through the retry letter topic; after
   * `maxRedeliverCount` times it goes to the dead letter topic. Needs the option `enableRetry`.
   */
  reconsumeLater(message: Message, delay: number, options?: Waiting): Promise<void>;

  /** Resolves with the number of messages that the subscription has not acknowledged. */
  backlog(options?: Waiting): Promise<number>;

  /** In pull mode, requests so many messages beyond the window, on each connection. */
  permit(messages: number): void;

  /** Deletes the subscription and closes the consumer; fails if the subscription has other consumers. */
  unsubscribe(options?: Waiting): Promise<void>;
}

/** Reads a topic from the option `startingMessage` on, without a subscription. It reconnects by itself. */
export class Reader implements Receiver {
  private constructor();
  readonly topic: string;
  readonly isConnected: boolean;
  waitConnected(options?: Waiting): Promise<void>;
  stats(): Stats;
  close(options?: Waiting): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  receive(options?: Waiting): Promise<Message>;
  receiveMany(max: number, options?: Waiting): Promise<Message[]>;
  messages(options?: { signal?: AbortSignal }): AsyncIterableIterator<Message>;
  [Symbol.asyncIterator](): AsyncIterator<Message>;
  listen(handler: Handler, options?: ListenOptions): void;
  wait(options?: { signal?: AbortSignal }): Promise<void>;
  seek(to: MessageId | 'earliest' | 'latest' | string | Date, options?: Waiting & { after?: boolean }): Promise<void>;
  lastMessageIds(options?: Waiting): Promise<MessageId[]>;
  isEndOfTopic(options?: Waiting): Promise<boolean>;

  /** Whether the topic has a message that was not received yet. */
  hasMessageAvailable(options?: Waiting): Promise<boolean>;

  /** Gives the messages up to where the topic ends now. `timeout` bounds the request for that end. */
  untilCaughtUp(options?: Waiting): AsyncGenerator<Message, void, undefined>;
}

/** Something failed: at the broker, on the way, or in this process. Each kind has a subclass. */
export class StargateError extends Error {
  /** The kind, such as `'not_found'`. */
  readonly kind: ErrorKind | 'unknown';
  /** The kind as the C library calls it, such as `'STARGATE_NOT_FOUND'`. */
  readonly code: string;
  /** The full name of the topic concerned. */
  readonly topic: string | null;
  /** The server's own words. */
  readonly brokerText: string | null;
  /** The HTTP status with which the server refused a connection or a request. */
  readonly httpStatus: number | null;
  /**
   * Whether the same call may succeed later without a change. A send that ended with `'timeout'` or `'outcome_unknown'`
   * may have been stored: sending it again can store it twice.
   */
  readonly retriable: boolean;
}
