"""Follows a tail with httpx-sse across broken connections, and prints the id of each event of a job.

    python follow.py URL TOKEN
"""
import sys
import time

import httpx
from httpx_sse import SSEError, connect_sse

url, token = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}
pause = 1.0
with httpx.Client(timeout=60) as client:
    while True:
        try:
            with connect_sse(client, "GET", url, headers=headers) as tail:
                for event in tail.iter_sse():
                    if event.event == "closed":
                        sys.exit()
                    if event.id:
                        headers["Last-Event-ID"] = event.id
                    if event.retry:
                        pause = event.retry / 1000
                    if event.event.startswith("job."):
                        print(event.id, flush=True)
        # A proxy answers with a page of its own while the server is away.
        except (httpx.TransportError, SSEError):
            pass
        time.sleep(pause)
