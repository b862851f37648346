"""A web server on this machine that serves bytes, and can be told to do it badly."""

import contextlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What a server serves: path -> bytes, how, and what it was asked.

    ``cuts``: after so many bytes of a body the connection breaks, once for each number.
    ``takes_ranges``: whether it answers a request for a part with that part.
    ``shift``: by how many bytes a part begins too late.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    takes_ranges: bool = True
    shift: int = 0
    ranges: list[str | None] = field(default_factory=list)
    encodings: list[str | None] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def serve_site(site):
    """Serve ``site`` on a free port until the end; its ``url`` ends with a slash."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            wanted = self.headers.get("Range")
            site.ranges.append(wanted)
            site.encodings.append(self.headers.get("Accept-Encoding"))
            body = site.files.get(self.path.lstrip("/"))
            if body is None:
                self.send_error(404, "Not Found")
                return
            total = len(body)
            if wanted and site.takes_ranges:
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) + site.shift
                if start >= total:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{total}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = body[start:]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if site.cuts:
                self.wfile.write(body[: site.cuts.pop(0)])
                self.wfile.flush()
                self.connection.shutdown(2)
                return
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
