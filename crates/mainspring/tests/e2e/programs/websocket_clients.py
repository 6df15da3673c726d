"""websocket_clients.py URL COUNT: opens COUNT WebSockets, echoes on each, and again for each line.

Prints `echoed COUNT` when every one has echoed; ends with an error if any did not. By the
`websockets` library (Debian: python3-websockets).
"""

import asyncio
import sys

try:
    import websockets
except ImportError:
    sys.exit("the websockets library is missing; on Debian: sudo apt-get install python3-websockets")

PATIENCE_S = 60


async def echo(connection, text):
    await connection.send(text)
    answer = await asyncio.wait_for(connection.recv(), PATIENCE_S)
    if answer != text:
        sys.exit(f"sent {text!r}, got {answer!r}")


async def main(url, count):
    opening = [websockets.connect(url, open_timeout=PATIENCE_S, ping_interval=None) for _ in range(count)]
    connections = await asyncio.gather(*opening)
    round_number = 0
    while True:
        await asyncio.gather(*(echo(one, f"{round_number}.{at}") for at, one in enumerate(connections)))
        print(f"echoed {count}", flush=True)
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        round_number += 1
    await asyncio.gather(*(connection.close() for connection in connections))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
