"""A node that answers as the local chain does, but for what a test has it say instead."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from django.conf import settings

from tokens import chain as evm

# Of a call and its honest answer: the answer to give; text is sent as it is. Calls that come together
# are twisted one by one; None leaves an answer out.
Twist = Callable[[dict[str, Any], dict[str, Any]], "dict[str, Any] | str | None"]


@contextmanager
def twisted_node(twist: Twist, *, batch_limit: int | None = None) -> Iterator[None]:
    """Let the settings point to such a node for a while; it refuses longer batches than its limit."""
    honest = settings.CHAIN_RPC_URL

    def together(asked: list[dict[str, Any]], told: list[dict[str, Any]]) -> Any:
        if batch_limit is not None and len(asked) > batch_limit:
            error = {"code": -32600, "message": "batch too large"}
            return {"jsonrpc": "2.0", "id": None, "error": error}
        answers = {each["id"]: each for each in told}
        twisted = [twist(each, answers[each["id"]]) for each in asked]
        return [each for each in twisted if each is not None]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = requests.post(honest, json=asked, timeout=10).json()
            answer = together(asked, told) if isinstance(asked, list) else twist(asked, told)
            body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(settings, "CHAIN_RPC_URL", f"http://127.0.0.1:{server.server_port}")
            patch.delattr(evm._local, "web3", raising=False)
            yield
            patch.delattr(evm._local, "web3", raising=False)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
