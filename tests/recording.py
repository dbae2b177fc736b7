"""An engine that says what it was started with, and answers nothing in many words."""

import sys
from collections.abc import Sequence

from llamaduo.serving import Lengths
from llamaduo.serving.transformers import TransformersServing

ENGINE = """
import http.server, json, os, pathlib, sys
name, port, status = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
class Engine(http.server.BaseHTTPRequestHandler):
    def answer(self, status, said):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())
    def do_GET(self):
        self.answer(200, {})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        held = sorted(path.name for path in pathlib.Path(name).iterdir())
        cache = pathlib.Path(os.environ["HF_HUB_CACHE"])
        listed = sorted(str(path.relative_to(cache)) for path in cache.rglob("*"))
        print(json.dumps({"asked": body, "held": held, "listed": listed,
                          "environment": dict(os.environ)}), flush=True)
        self.answer(status, {"error": "out of memory"} if status != 200 else {})
http.server.HTTPServer(("127.0.0.1", port), Engine).serve_forever()
"""


class Recording(TransformersServing):
    """In a process of its own, like a real one, and there at once."""

    status: int = 200

    def process(
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> Sequence[str]:
        return [sys.executable, "-c", ENGINE, name, str(port), str(self.status)]
