"""Echoes WebSocket messages on $PORT, by the `websockets` library (Debian: python3-websockets)."""

import asyncio
import os

import websockets


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(os.environ["PORT"]), max_queue=4):
        await asyncio.Future()


asyncio.run(main())
