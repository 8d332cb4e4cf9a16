"""What a language does that can load a library and has no header: by_ctypes.py LIBRARY.

It sends a message and receives it, with the broker at PULSAR_URL or on a mock; the small library has none, and is then
only loaded. In between it unloads the library, which has to do nothing: the threads of the library run on.
"""

import _ctypes
import ctypes
import os
import sys
import uuid
from ctypes import byref, c_char_p, c_int64, c_size_t, c_void_p


class View(ctypes.Structure):
    """stargate_str and stargate_bytes."""

    _fields_ = (("ptr", c_void_p), ("len", c_size_t))

    def text(self) -> str:
        """Return what it is a view of."""
        return ctypes.string_at(self.ptr, self.len).decode()


class Outgoing(ctypes.Structure):
    """stargate_outgoing, of which a payload is given and nothing else."""

    _fields_ = (("struct_size", c_size_t), ("payload_ptr", c_char_p), ("payload_len", c_size_t), ("rest", c_size_t * 9))


library = ctypes.CDLL(sys.argv[1])
for name in ("error_message", "message_payload"):
    getattr(library, f"stargate_{name}").restype = View


def call(name: str, *arguments: object) -> None:
    """Call a function that can fail, with its arguments but the last, the error."""
    error = c_void_p()
    status = getattr(library, f"stargate_{name}")(*arguments, byref(error))
    assert status == 0, f"{name}: {library.stargate_error_message(error).text()}"


mock, client, producer, consumer, message = (c_void_p() for _ in range(5))
patience = c_int64(10_000)
topic = f"ctypes-{uuid.uuid4()}".encode()
url = os.environ.get("PULSAR_URL")
if url is None and not hasattr(library, "stargate_mock_start"):
    sys.exit(0)
if url is None:
    call("mock_start", None, byref(mock))
    library.stargate_mock_url.restype = View
    url = library.stargate_mock_url(mock).text()
call("client_new", url.encode(), None, byref(client))
call("consumer_open", client, topic, b"billing", None, patience, byref(consumer))
call("producer_open", client, topic, None, patience, byref(producer))
_ctypes.dlclose(library._handle)
sent = Outgoing(ctypes.sizeof(Outgoing), b"one pizza", 9)
call("producer_send", producer, byref(sent), patience, None)
call("consumer_receive", consumer, patience, byref(message))
assert library.stargate_message_payload(message).text() == "one pizza"
call("consumer_ack", consumer, message)
call("client_close", client, patience)
library.stargate_message_free(message)
library.stargate_producer_free(producer)
library.stargate_consumer_free(consumer)
library.stargate_client_free(client)
if mock:
    library.stargate_mock_free(mock)
print("sent and received")
