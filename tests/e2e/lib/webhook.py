"""webhook - a server that decides who may, and notes what it was asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # else some of many who come at once come a second later


class Webhook:
    """`answer(path, question)` returns (status, object or None); None instead of
    both: nothing is answered until the end. `asked` grows: (path, question)."""

    def __init__(self):
        self.asked = []
        self.answer = lambda path, question: (200, None)
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def of(self, stream):
        return [q for _, q in self.asked if q["stream"] == stream]

    def close(self):
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, path, question):
        with self._lock:
            self.asked.append((path, question))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            said = self.answer(path, question)
            if said is None:
                self._ending.wait(30)
                said = (503, None)
            return said
        finally:
            with self._lock:
                self._at_once -= 1

    def _handler(self):
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, said = hook._serve(self.path, json.loads(body))
                text = b"" if said is None else json.dumps(said).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # whoever asked did not wait

            def log_message(self, *args):  # pylint: disable=arguments-differ
                pass

        return Handler
