"""Messages between the service and its workers: eight bytes of length, then a pickle. Both processes are trusted."""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from asyncio import StreamReader, StreamWriter
from typing import Any

_LENGTH = struct.Struct("!Q")


def encode(message: Any) -> bytes:
    """Return the bytes of a message."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def receive(sock: socket.socket) -> Any:
    """Return the next message. Raises EOFError if the other process ended."""
    (length,) = _LENGTH.unpack(_receive_exactly(sock, _LENGTH.size))
    return pickle.loads(_receive_exactly(sock, length))


def _receive_exactly(sock: socket.socket, length: int) -> bytearray:
    body = bytearray(length)
    view = memoryview(body)
    while view:
        taken = sock.recv_into(view)
        if taken == 0:
            raise EOFError
        view = view[taken:]
    return body


async def exchange(reader: StreamReader, writer: StreamWriter, message: Any) -> Any:
    """Send a message and return the answer. Raises IncompleteReadError or OSError if the other process ended."""
    writer.write(encode(message))
    await writer.drain()
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))


async def receive_async(sock: socket.socket) -> Any:
    """Do the same as `receive` on a socket that does not block."""
    (length,) = _LENGTH.unpack(await receive_exactly_async(sock, _LENGTH.size))
    return pickle.loads(await receive_exactly_async(sock, length))


async def receive_exactly_async(sock: socket.socket, length: int) -> bytes:
    """Return this many bytes from a socket that does not block. Raises EOFError if the other process ended."""
    loop = asyncio.get_running_loop()
    body = b""
    while len(body) < length:
        piece = await loop.sock_recv(sock, length - len(body))
        if not piece:
            raise EOFError
        body += piece
    return body
