"""Consumers, readers, and what they have in common."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ._convert import Seconds, count, place, required_seconds, seconds
from ._handle import SyncHandle
from ._native import MessageId
from .errors import ClosedError, TimeoutError
from .handler import Handler, MessageHandler, ReconsumeLater, Workers, maker, refuse_async
from .state import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from . import _native
    from ._native import Message
    from .client import Client


class Receiver(SyncHandle):
    """Receives the messages of a topic, with a handler or by calls; the two exclude each other."""

    def __init__(self, client: Client, native: _native.Consumer | _native.Reader) -> None:
        self._client = client
        self._received: _native.Consumer | _native.Reader = native
        self._workers: Workers | None = None
        self._open()

    @property
    def topic(self) -> str:
        """The full name of the topic; of several, the first; for a pattern, a name that stands for it."""
        return self._received.topic()

    def receive(self, timeout: Seconds | None = None) -> Message:
        """Wait for the next message, for `timeout` seconds or without limit; raise `TimeoutError` if none arrives.

        Examples:
            >>> message_id = producer.send(b"one pizza")
            >>> consumer.receive(timeout=5).data
            b'one pizza'
            >>> consumer.receive(timeout=0.01)
            Traceback (most recent call last):
                ...
            stargate.errors.TimeoutError: receive from persistent://public/default/news: not done within 0.01 s
        """
        return self._received.receive(seconds(timeout))

    def receive_many(self, max_messages: int, timeout: Seconds | None = None) -> Sequence[Message]:
        """Wait for `max_messages` or until the time is over, and return a list of those that arrived.

        An empty list is no error. Without a timeout it waits for that many. Returned messages count as finished for the
        permits of pull mode and for a reader's position, so request as many as you work on at a time.

        Examples:
            >>> ids = producer.send_many([b"a", b"b", b"c"])
            >>> [message.data for message in consumer.receive_many(3, timeout=5)]
            [b'a', b'b', b'c']
            >>> consumer.receive_many(3, timeout=0.01)
            []
        """
        return self._received.receive_many(count("max_messages", max_messages), seconds(timeout))

    def __iter__(self) -> Iterator[Message]:
        """Yield message after message until it is closed. Raise the error that ended it, if one did.

        Examples:
            >>> ids = producer.send_many([b"a", b"b"])
            >>> for message in consumer:
            ...     consumer.ack(message)
            ...     if message.data == b"b":
            ...         break
        """
        while True:
            try:
                message = self._received.receive(None)
            except ClosedError:
                return
            yield message

    def listen(
        self, handler: Handler, init_args: Sequence[Any] = (), init_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Run a handler on every message, on as many threads as the option `processors` says.

        `handler` is a subclass of `MessageHandler`, an instance, or a function. Of a class, each processor creates an
        instance on its own thread and calls `init` with the arguments given; an instance or a function is shared. An
        exception of `init` is raised here.

        Each processor handles one message at a time. One processor keeps the order of the topic; with `ordering="key"`,
        several keep the order of each key. An exception of a handler is logged with its traceback and costs the message
        a negative acknowledgement, unless `on_error` decides otherwise. Permits of pull mode and a reader's position
        advance as handlers finish.

        Examples:
            >>> done = []
            >>> reader.listen(done.append)
            >>> message_id = producer.send(b"one pizza")
            >>> reader.close()  # the handler finishes the message that it has
        """
        refuse_async(handler)
        Workers(self, self._received, maker(handler, MessageHandler, tuple(init_args), dict(init_kwargs or {})))

    def wait(self, timeout: Seconds | None = None) -> None:
        """Wait until the handler has ended, by a close or by an error, which it raises.

        Raise `TimeoutError` if it still runs when the time is over.

        Examples:
            >>> consumer.listen(print)
            >>> consumer.wait(timeout=0.01)
            Traceback (most recent call last):
                ...
            stargate.errors.TimeoutError: wait for persistent://public/default/news: the handler still runs
        """
        if self._workers is None:
            raise ClosedError(f"wait for {self.topic}: there is no handler")
        if not self._workers.wait(seconds(timeout)):
            raise TimeoutError(f"wait for {self.topic}: the handler still runs", topic=self.topic)
        if self._workers.error is not None:
            raise self._workers.error

    def run_until_interrupted(self) -> None:
        """Wait for Ctrl-C or the handler's end, and close. Raise the error that ended the handler, if one did.

        Examples:
            >>> consumer.listen(lambda message: consumer.close())  # here instead of Ctrl-C
            >>> message_id = producer.send(b"the last one")
            >>> consumer.run_until_interrupted()
        """
        try:
            self.wait()
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def is_end_of_topic(self, timeout: Seconds | None = None) -> bool:
        """Return whether the topic was terminated and everything in it has been acknowledged or read.

        Examples:
            >>> consumer.is_end_of_topic(timeout=5)
            False
        """
        return self._received.is_end_of_topic(seconds(timeout))

    def seek(self, to: MessageId | datetime | float, *, after: bool = False) -> None:
        """Move to another position in the topic: the next message is the one at `to`, or with `after` the one after it.

        `to` is a message id, `MessageId.earliest` or `latest`, or a time, which stands for the first message published
        then or later. Once it returns, no message from before the seek is delivered. On a partitioned topic an id moves
        its partition. A consumer moves its subscription, and so its other consumers too. Several topics move only to
        the ends and to times; patterns and non-durable subscriptions cannot move. Uses Pulsar's REST API.

        Examples:
            >>> ids = producer.send_many([b"a", b"b", b"c"])
            >>> consumer.seek(ids[1])
            >>> consumer.receive(timeout=5).data
            b'b'
            >>> reader.seek(ids[1], after=True)
            >>> reader.receive(timeout=5).data
            b'c'
        """
        self._received.seek(*place(to, after))

    def last_message_ids(self) -> Sequence[MessageId]:
        """Return the ids of the last messages of the topic, one for each partition that has any.

        Uses Pulsar's REST API.

        Examples:
            >>> message_id = producer.send(b"one pizza")
            >>> reader.last_message_ids() == [message_id]
            True
        """
        return self._received.last_message_ids()

    def wait_connected(self, timeout: Seconds | None = None) -> None:
        """Wait until it is connected; raise the error that ended it if it cannot be.

        Examples:
            >>> consumer.wait_connected(timeout=5)
            >>> consumer.is_connected
            True
        """
        self._received.wait_connected(seconds(timeout))

    @property
    def is_connected(self) -> bool:
        """Whether all of its connections are up now."""
        return self._received.is_connected()

    def stats(self) -> Stats:
        """Return the counters.

        Examples:
            >>> consumer.stats().received
            0
        """
        return Stats._from_json(self._received.stats())

    def close(self, timeout: Seconds = 10.0) -> None:
        """Let handlers finish their messages, send the acknowledgements, and close the connections.

        Messages that were received and not finished are redelivered. After it returns no handler runs. Raise
        `TimeoutError` if a handler still runs when the time is over. May be called more than once.

        Called in a handler, it returns at once: the rest happens when all handlers have finished their messages.

        Examples:
            >>> consumer.close(timeout=5)
            >>> consumer.receive()
            Traceback (most recent call last):
                ...
            stargate.errors.ClosedError: ...
        """
        limit = required_seconds(timeout)
        self._closed = True
        if self._postpones(partial(self.close, limit)):
            return
        deadline = time.monotonic() + limit
        late = self._workers is not None and not self._workers.stop(deadline)
        try:
            self._received.close(max(0.0, deadline - time.monotonic()))
        finally:
            if late:
                raise TimeoutError(f"close {self.topic}: a handler still runs", topic=self.topic)

    def _postpones(self, close: Callable[[], None]) -> bool:
        """Postpone a close that one of its handlers calls; return whether it is one."""
        return self._workers is not None and self._workers.postpone(close)

    def _stop_soon(self) -> None:
        if self._workers is not None:
            self._workers.stop_soon()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.topic}{' closed' if self._closed else ''}>"

    def _abandoned(self) -> bool:
        return super()._abandoned() and not self._client.closed


class Consumer(Receiver):
    """Consumes the messages of a subscription. Opened by `Client.consumer`; many threads may use it at once.

    Examples:
        >>> with client.consumer("orders", "billing", initial_position="earliest") as consumer:
        ...     for message in consumer.receive_many(10, timeout=0.1):
        ...         print(message.data)
        ...         consumer.ack(message)
    """

    def __init__(self, client: Client, native: _native.Consumer) -> None:
        super().__init__(client, native)
        self._native = native

    @property
    def subscription(self) -> str:
        """The name of the subscription."""
        return self._native.subscription()

    def ack(self, message: Message | MessageId) -> None:
        """Acknowledge a message, or one by its id.

        This API does not answer acknowledgements: if one is lost with the connection, the message is redelivered. An
        acknowledgement by id counts if the present connection delivered the message, or if the message was neither
        batched nor in a partition.

        Examples:
            >>> message_id = producer.send(b"one pizza")
            >>> consumer.ack(consumer.receive(timeout=5))
            >>> mock.wait("ack")
            >>> mock.backlog("news", "readers")
            0
        """
        if isinstance(message, MessageId):
            self._native.ack_id(message)
        else:
            self._native.ack(message)

    def ack_cumulative(self, message: Message | MessageId) -> None:
        """Acknowledge a message and all before it; on a partitioned topic, those of its partition.

        For exclusive and failover subscriptions of one topic; `InvalidArgumentError` otherwise. What a lost connection
        did not transmit is redelivered by the server, and acknowledged then without reaching the application
        (`Stats.covered`). The id may also be one of an earlier consumer of the subscription. It costs one frame for
        each message, as `ack` of each would. With several processors it also acknowledges messages that another handler
        is still working on.

        Examples:
            >>> ids = producer.send_many([b"a", b"b", b"c"])
            >>> *_, last = consumer.receive_many(3, timeout=5)
            >>> consumer.ack_cumulative(last)
            >>> mock.wait("ack", at_least=3)
        """
        if isinstance(message, MessageId):
            self._native.ack_cumulative_id(message)
        else:
            self._native.ack_cumulative(message)

    def nack(self, message: Message | MessageId) -> None:
        """Request redelivery of a message, or of one by its id, after the option `negative_ack_delay`.

        Examples:
            >>> impatient = client.consumer("orders", "s", subscription_type="shared", negative_ack_delay=0.1)
            >>> message_id = client.producer("orders").send(b"one pizza")
            >>> impatient.nack(impatient.receive(timeout=5))
            >>> impatient.receive(timeout=5).redelivery_count
            1
        """
        if isinstance(message, MessageId):
            self._native.nack_id(message)
        else:
            self._native.nack(message)

    def reconsume_later(self, message: Message, delay: Seconds) -> None:
        """Schedule redelivery of a message after `delay` seconds.

        A copy is stored in the retry letter topic, which this consumer consumes too, and the message is acknowledged
        when the copy is stored; the call waits for that. It needs the option `enable_retry`. A message that was
        redelivered `max_redeliver_count` times (`Message.reconsume_times`) goes to the dead letter topic instead. After
        an error the message is still unacknowledged.

        Examples:
            >>> retrying = client.consumer("orders", "s", subscription_type="shared", enable_retry=True)
            >>> message_id = client.producer("orders").send(b"one pizza")
            >>> retrying.reconsume_later(retrying.receive(timeout=5), 0.1)
            >>> retrying.receive(timeout=5).reconsume_times
            1
        """
        self._native.reconsume_later(message, required_seconds(ReconsumeLater(delay).delay))

    def backlog(self) -> int:
        """Return the number of messages that the subscription has not acknowledged, those in hand included.

        0 is caught up. It is the broker's count, in which a batch is one. Not for a pattern. Uses Pulsar's REST API.

        Examples:
            >>> message_id = producer.send(b"one pizza")
            >>> consumer.backlog()
            1
        """
        return self._native.backlog()

    def permit(self, messages: int) -> None:
        """In pull mode, request this many messages beyond the window, on each connection.

        Examples:
            >>> pulling = client.consumer("orders", "s", pull_mode=True, queue_size=10)
            >>> pulling.permit(5)
        """
        self._native.permit(count("messages", messages))

    def unsubscribe(self, timeout: Seconds = 10.0) -> None:
        """Delete the subscription and close the consumer; raise if other consumers are on the subscription.

        Examples:
            >>> consumer.unsubscribe(timeout=5)
        """
        self._native.unsubscribe(required_seconds(timeout))
        self.close(timeout)


class Reader(Receiver):
    """Reads a topic from a position, without a subscription.

    Opened by `Client.reader`. It reconnects after the last message received, with neither a gap nor a replay.

    Examples:
        >>> ids = producer.send_many([b"a", b"b", b"c"])
        >>> with client.reader("news", starting_message=ids[0]) as reader:
        ...     [message.data for message in reader.receive_many(2, timeout=5)]
        [b'b', b'c']
    """

    def __init__(self, client: Client, native: _native.Reader) -> None:
        super().__init__(client, native)
        self._native = native

    def has_message_available(self) -> bool:
        """Return whether there is a message that the application has not received yet. Uses Pulsar's REST API.

        Examples:
            >>> reader.has_message_available()
            False
        """
        return self._native.has_message_available()

    def until_caught_up(self) -> Iterator[Message]:
        """Read up to the present end, and yield the messages until there.

        Uses Pulsar's REST API to find the end. If a message without a value (a tombstone) stopped the server's delivery
        and the option `skip_tombstones` is not set, it raises a `BrokerError` that names it; `seek` skips it.

        Examples:
            >>> ids = producer.send_many([b"a", b"b"])
            >>> [message.data for message in reader.until_caught_up()]
            [b'a', b'b']
        """
        self._native.mark_end()
        return self._up_to_the_mark()

    def _up_to_the_mark(self) -> Iterator[Message]:
        while (message := self._native.receive_before_end()) is not None:
            yield message
