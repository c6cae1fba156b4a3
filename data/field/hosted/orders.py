"""Send messages through zenoh to a subscriber that takes some of them: ``orders.py SENT TAKEN KEPT``, a second each."""

from __future__ import annotations

import os
import sys
import time

import zenoh

sent, taken, kept = (int(word) for word in sys.argv[1:])
settings = zenoh.Config()
settings.insert_json5("scouting/multicast/enabled", "false")
settings.insert_json5("listen/endpoints", "[]")
session = zenoh.open(settings)
subscriber = session.declare_subscriber("orders/*", zenoh.handlers.FifoChannel(1_000_000))
waiting, keeps = 0, []
while True:
    for number in range(sent):
        session.put(f"orders/{number}", os.urandom(9000))
    waiting += sent
    for _ in range(taken):
        waiting -= subscriber.try_recv() is not None
    keeps.append(os.urandom(kept))
    print(waiting, flush=True)
    time.sleep(1)
