"""Messages between the service and its workers: a length of eight bytes, then a pickle. Both ends are our own."""

from __future__ import annotations

import pickle
import socket
import struct
from asyncio import StreamReader, StreamWriter
from typing import Any

_LENGTH = struct.Struct("!Q")


def packed(message: Any) -> bytes:
    """Return a message as it is sent."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def receive(sock: socket.socket) -> Any:
    """Return the next message; raises EOFError where the other end is gone."""
    (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
    return pickle.loads(_exactly(sock, length))


def _exactly(sock: socket.socket, length: int) -> bytearray:
    body = bytearray(length)
    view = memoryview(body)
    while view:
        taken = sock.recv_into(view)
        if taken == 0:
            raise EOFError
        view = view[taken:]
    return body


async def exchange(reader: StreamReader, writer: StreamWriter, message: Any) -> Any:
    """Send a message and return the answer; raises IncompleteReadError or OSError where the other end is gone."""
    writer.write(packed(message))
    await writer.drain()
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))
