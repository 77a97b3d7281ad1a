"""A worker process of the local pool: ``python -m htc.discovery.executors.process FD``.

It reads orders from a socket and writes replies to it. When the socket ends, because the parent closed it or
died, the process ends at once, whatever it is working on.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection

__all__ = ["main"]


def main() -> None:
    """Work until the socket ends."""
    # Ctrl-C reaches all processes of a terminal: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    connection = Connection(int(sys.argv[1]))
    orders: queue.SimpleQueue[object] = queue.SimpleQueue()

    def listen() -> None:
        while True:
            try:
                orders.put(connection.recv())
            except (EOFError, OSError):
                os._exit(0)

    threading.Thread(target=listen, name="orders", daemon=True).start()
    from htc.discovery.executors.work import Order, perform

    while True:
        order = orders.get()
        if not isinstance(order, Order):
            raise TypeError(f"not an order: {type(order).__name__}")
        reply = perform(order)
        try:
            connection.send(reply)
        except OSError:
            os._exit(0)


if __name__ == "__main__":
    main()
