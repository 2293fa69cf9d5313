"""crowd - many connections at once, from one thread."""

import errno
import random
import resource
import selectors
import socket
import time

from lib.env import SLOWER


def raise_file_limit():
    """As many descriptors as we may have; programs started later inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class Crowd:
    """Connections, each of which says its words and then listens. All move while
    any of them is waited for."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.open = {}  # socket: the name that it was added under

    def add(self, name, address, count, words=b""):
        host, port = address.rsplit(":", 1)
        for _ in range(count):
            s = socket.socket()
            s.setblocking(False)
            error = s.connect_ex((host, int(port)))
            assert error in (0, errno.EINPROGRESS), errno.errorcode[error]
            self.selector.register(s, selectors.EVENT_WRITE, [words])
            self.open[s] = name
        return self

    # ---- what happens

    def step(self, timeout_s=0.1):
        if not self.open:  # nothing moves any more
            time.sleep(timeout_s)
            return
        for key, events in self.selector.select(timeout_s):
            if events & selectors.EVENT_WRITE:
                self._say(key)
            elif events & selectors.EVENT_READ:
                self._hear(key)

    def _say(self, key):
        s, rest = key.fileobj, key.data
        try:
            if rest[0]:
                rest[0] = rest[0][s.send(rest[0]):]
            else:  # has connecting failed?
                error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise ConnectionError(error)
        except BlockingIOError:
            return
        except OSError:
            self._drop(s)
            return
        if not rest[0]:
            self.selector.modify(s, selectors.EVENT_READ, rest)

    def _hear(self, key):
        try:
            data = key.fileobj.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(key.fileobj)

    def _drop(self, s):
        self.selector.unregister(s)
        del self.open[s]
        s.close()

    # ---- waiting

    def wait_said(self, timeout_s=30):
        """Until each is connected and has said all, or was closed."""
        def all_have():
            return not any(k.events & selectors.EVENT_WRITE
                           for k in self.selector.get_map().values())
        self.step_until(all_have, timeout_s)
        return self

    def wait_closed(self, timeout_s=30):
        """Until the server has closed all. Returns the names of the others."""
        self.step_until(lambda: not self.open, timeout_s)
        return sorted(set(self.open.values()))

    def step_until(self, is_so, timeout_s):
        """Let them move until it is so, or the time is over."""
        end = time.monotonic() + timeout_s * SLOWER
        while not is_so() and time.monotonic() < end:
            self.step()

    def close(self):
        for s in list(self.open):
            self._drop(s)
        self.selector.close()


def noise(count, seed):
    """The same bytes for the same seed, so that a failure comes again."""
    return random.Random(seed).randbytes(count)
