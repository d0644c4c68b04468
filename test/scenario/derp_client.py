"""A client of a relay, for what real clients do not do: WebSocket without a browser, and bad manners."""
import base64
import ctypes
import ctypes.util
import json
import os
import socket
import ssl
import struct

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
_sodium.sodium_init()
MAGIC = b"DERP\xf0\x9f\x94\x91"


def upgrade(port, tls=None, websocket=False, host="127.0.0.1"):
    """Connect and upgrade. tls: an ssl version, or None for plain. Returns the socket and what came behind the answer."""
    s = socket.create_connection((host, port), 10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        c.minimum_version = c.maximum_version = tls
        s = c.wrap_socket(s)
    ws = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: derp\r\n" \
         f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n" if websocket else ""
    s.sendall(f"GET /derp HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
              f"Upgrade: {'websocket' if websocket else 'DERP'}\r\n{ws}\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got:
        more = s.recv(4096)
        assert more, got
        got += more
    head, rest = got.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 101"), head
    return s, rest


class Client:
    """One that is logged in."""

    def __init__(self, port, tls=None, websocket=False):
        self.ws = websocket
        self.s, self.raw = upgrade(port, tls, websocket)
        self.stream = b""
        if not websocket:
            self.stream, self.raw = self.raw, b""
        kind, hello = self.frame()
        assert kind == 1 and hello.startswith(MAGIC)
        pk, sk = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
        _sodium.crypto_box_keypair(pk, sk)
        self.key = pk.raw
        info, nonce = json.dumps({"version": 2, "CanAckPings": True}).encode(), os.urandom(24)
        box = ctypes.create_string_buffer(len(info) + 16)
        assert _sodium.crypto_box_easy(box, info, ctypes.c_ulonglong(len(info)), nonce, hello[8:40], sk) == 0
        self.write(2, pk.raw + nonce + box.raw)
        assert self.frame()[0] == 3

    def write(self, kind, payload):
        b = struct.pack(">BI", kind, len(payload)) + payload
        if self.ws:
            n, mask = len(b), os.urandom(4)
            head = bytes([0x82]) + (bytes([0x80 | n]) if n < 126 else struct.pack(">BH", 0xfe, n) if n < 65536
                                    else struct.pack(">BQ", 0xff, n))
            b = head + mask + bytes(x ^ mask[i % 4] for i, x in enumerate(b))
        self.s.sendall(b)

    def _more(self):
        got = self.s.recv(65536)
        if not got:
            raise EOFError
        if not self.ws:
            self.stream += got
            return
        self.raw += got

    def _unwrap(self):
        while len(self.raw) >= 2:
            n, at = self.raw[1], 2
            assert n < 128 and self.raw[0] == 0x82, self.raw[:2]
            if n == 126:
                n, at = int.from_bytes(self.raw[2:4], "big"), 4
            elif n == 127:
                n, at = int.from_bytes(self.raw[2:10], "big"), 10
            if len(self.raw) < at + n:
                return
            self.stream += self.raw[at:at + n]
            self.raw = self.raw[at + n:]

    def frame(self):
        """The next frame: (type, payload). EOFError: the relay closed."""
        while True:
            if self.ws:
                self._unwrap()
            if len(self.stream) >= 5:
                kind, n = struct.unpack(">BI", self.stream[:5])
                if len(self.stream) >= 5 + n:
                    payload, self.stream = self.stream[5:5 + n], self.stream[5 + n:]
                    return kind, payload
            self._more()

    def send(self, to, packet):
        self.write(4, to.key + packet)

    def recv(self):
        """The next packet: (sender's key, bytes)."""
        while True:
            kind, p = self.frame()
            if kind == 5:
                return p[:32], p[32:]

    def close(self):
        self.s.close()
