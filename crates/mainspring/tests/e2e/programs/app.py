"""An ordinary little HTTP/1.1 server on $PORT that says who it is. Standard library only."""

import asyncio
import json
import os
import sys

SERVICE = sys.argv[1] if len(sys.argv) > 1 else "app"


class Connection(asyncio.Protocol):
    answered = 0

    def connection_made(self, transport):
        self.transport = transport
        self.received = b""

    def data_received(self, data):
        self.received += data
        while True:
            head, end, rest = self.received.partition(b"\r\n\r\n")
            if not end:
                return
            lines = head.decode("latin-1").split("\r\n")
            fields = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                fields[name.strip().lower()] = value.strip()
            length = int(fields.get("content-length", "0"))
            if len(rest) < length:
                return
            self.received = rest[length:]
            method, target, _ = lines[0].split(" ")
            self.answer(method, target)

    def answer(self, method, target):
        Connection.answered += 1
        if target == "/who":
            body = json.dumps({"pid": os.getpid(), "answered": Connection.answered})
        else:
            body = f"{SERVICE} answers {method} {target}\n"
        self.transport.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()


asyncio.run(main())
