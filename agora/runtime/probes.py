"""One look at a local server: does it answer as it should? Never raises for a server away."""

import json
import socket
import urllib.error
import urllib.request

_PATIENCE = 2.0  # seconds for one look


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def valkey_answers(port: int, *, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                received = connection.recv(256)
                if not received:
                    return False
                answer += received
    except OSError:
        return False
    # While it loads its data it answers -LOADING.
    return answer == b"+OK\r\n+PONG\r\n"


def rpc(url: str, method: str, *params: object) -> object | None:
    """The result of one JSON-RPC call; None when the node is away or refuses."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    request = urllib.request.Request(
        url, data=body.encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            result: object = json.load(response).get("result")
    except (OSError, ValueError):
        return None
    return result


def http_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
