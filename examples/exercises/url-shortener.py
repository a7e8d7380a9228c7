"""Starts the URL shortener that a demo built and uses it as a client would. Runs in a sandbox, on the result."""

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from email.message import Message

PORT = 8080
BASE = f"http://127.0.0.1:{PORT}"
START_SECONDS = 15.0


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Shows a redirect instead of following it."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Never follows."""


OPENER = urllib.request.build_opener(NoRedirect)


def ask(method: str, path: str, body: object = None) -> tuple[int, Message, str]:
    """Status, headers and body of one request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data=data, method=method)  # noqa: S310 - BASE is http
    request.add_header("Content-Type", "application/json")
    try:
        with OPENER.open(request, timeout=5) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def shown(method: str, path: str, body: object, expected: int) -> tuple[Message, str]:
    """Asks, prints the exchange, and stops the whole exercise when the status is not the expected one."""
    status, headers, text = ask(method, path, body)
    sent = f" {json.dumps(body)}" if body is not None else ""
    location = f" Location: {headers['Location']}" if headers.get("Location") else ""
    print(f"{method} {path}{sent}  ->  {status}{location} {text.strip()}", flush=True)
    if status != expected:
        sys.exit(f"expected {expected}, got {status}")
    return headers, text


def wait_until_up(service: subprocess.Popen[bytes]) -> None:
    """Returns when the service answers at all."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if service.poll() is not None:
            sys.exit(f"the service ended with exit code {service.returncode}")
        try:
            ask("GET", "/")
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"the service did not answer within {START_SECONDS:.0f} s")


def use() -> None:
    """Creates, follows, counts, expires, and sends wrong input."""
    target = "https://example.org/a/long/path?with=query"
    _, text = shown("POST", "/links", {"url": target}, 201)
    code = json.loads(text)["code"]
    for _ in range(2):
        headers, _ = shown("GET", f"/{code}", None, 302)
        if headers["Location"] != target:
            sys.exit("the redirect leads elsewhere")
    _, text = shown("GET", f"/links/{code}", None, 200)
    if json.loads(text)["clicks"] != 2:
        sys.exit("two clicks were made and another number counted")
    _, text = shown("POST", "/links", {"url": target, "expires_in": 1}, 201)
    time.sleep(1.5)
    shown("GET", f"/{json.loads(text)['code']}", None, 410)
    shown("GET", "/no-such-code", None, 404)
    shown("POST", "/links", {"url": "javascript:alert(1)"}, 400)
    shown("DELETE", "/links", None, 405)


def main() -> None:
    """Starts the service on a new database, uses it, stops it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "shortener", "--host", "127.0.0.1", "--port", str(PORT)]
        service = subprocess.Popen([*command, "--database", f"{folder}/links.db"], stderr=subprocess.DEVNULL)
        try:
            wait_until_up(service)
            use()
        finally:
            service.terminate()
            service.wait(timeout=10)


if __name__ == "__main__":
    main()
