"""Requests that must be refused, with the statuses that may answer them, and a few lawful ones beside them. Bytes are
written out, since the point is what is on the wire. Sources: RFC 9110 and 9112, and the public corpora and advisories
named at each family."""

POST_FIELDS = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
BODY = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def get(host_line="Host: localhost", target="/healthz", more="", version="HTTP/1.1", method="GET"):
    return f"{method} {target} {version}\r\n{host_line}\r\n{more}\r\n".encode("latin-1")


def post(fields, body=b"", host="localhost"):
    return f"POST /mcp HTTP/1.1\r\nHost: {host}\r\n{POST_FIELDS}{fields}\r\n".encode("latin-1") + body


# ---- Host: lawful, malformed (400), well-formed but not allowed (403). CVE-2026-48710 and the SDK advisories are in here.
HOSTS_GOOD = ["localhost", "localhost:8080", "localhost:9999", "LOCALHOST", "LocalHost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8080",
              "localhost:65535"]
HOSTS_MALFORMED = [
    "", " ", "localhost,", "localhost, evil.com", "user@localhost", "localhost:80@evil.com", "@localhost", "evil.com@localhost", "localhost@",
    "localhost/x", "localhost/", "localhost?x", "localhost#x", "localhost;x", "localhost\\@evil.com", "http://localhost", "//localhost",
    "localhost:", "localhost:abc", "localhost:0x50", "localhost:+80", "localhost:-80", "localhost:65536", "localhost:99999999999", "localhost:80:80",
    "localhost: 80", "localhost:080", "localhost:08080", "localhost:0", "localhost :80", "local host", "localhost\tx",
    "%6c%6fcalhost", "localhost%00", "localhost%2eevil.com", '"localhost"', "<localhost>", "{localhost}", "*", "*.localhost", "_", "local_host",
    "localhost\x00", "localhost\x00.evil.com", "\x01localhost", "localhost\x7f", "localhost\x80", "l\xd0\xbecalhost", "\xe2\x93\x9bocalhost",
    "::1", "[::1", "::1]", "[[::1]]", "[::1]evil.com", "[::1]:", "[::1]x:80", "[::1%lo]", "[::1%25lo]", "[v1.x]", "[127.0.0.1]", "[]", "[:]", "[localhost]",
    "-localhost", "localhost-", ".localhost", "localhost..com", "a" * 64 + ".com", ".", "..",
]
HOSTS_NOT_ALLOWED = [
    "localhost.", "127.0.0.1.", "[0:0:0:0:0:0:0:1]", "[::0001]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[::]", "0.0.0.0", "0",
    "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.000.000.001", "127.0.0.2", "evil.example", "localhost.evil.com",
    "evillocalhost", "localhostevil.com", "127.0.0.1.nip.io", "127.0.0.1.evil.com", "a.localhost", "xn--lcalhost-q7a", "host.docker.internal",
    "169.254.169.254", "localhost.localdomain", "evil.com:8080", "10.0.0.1",
]
HOST_LINES = ["X: y", "Host: localhost\r\nHost: localhost", "Host: localhost\r\nHost: evil.com", "Host: evil.com\r\nHost: localhost",
              "Host: localhost\r\nhost: localhost", "Host : localhost", " Host: localhost", "Host\t: localhost", "Host: localhost\r\n evil.com",
              "Host:\r\n localhost", "Host\x00: localhost", "H\xf6st: localhost"]

ORIGINS_GOOD = ["http://localhost", "http://localhost:3000", "https://localhost", "http://127.0.0.1:8080", "https://127.0.0.1:1", "http://[::1]", "http://[::1]:8080"]
ORIGINS_BAD = [
    "null", "", "file://", "chrome-extension://abcdefgh", "moz-extension://x", "vscode-webview://x", "app://x", "tauri://localhost", "ws://localhost",
    "ftp://localhost", "data:", "about:blank", "*", "http://localhost/", "http://localhost/x", "http://localhost?x", "http://localhost#x",
    "http://user@localhost", "http://localhost:", "http://localhost:abc", "http://localhost:0", "http://localhost:99999", "http://localhost:080", "localhost",
    "//localhost", "HTTP://LOCALHOST", "http://LOCALHOST", "http://localhost.", "http://127.1", "http://0.0.0.0:8080", "http://[::]", "http://[::ffff:127.0.0.1]",
    "http://loc%61lhost", "http://localhost.evil.com", "http://localhost@evil.com", "http://evil.com#localhost", "http://127.0.0.1.nip.io",
    "http://evil.example", "https://evil.example:8080", "http://localhost, http://localhost", "http://localhost http://evil.com", "http://evil.com, http://localhost",
    "http:/localhost", "http:localhost", "http:\\\\localhost", "http://", "http://[::1", "javascript://localhost", "http://localhost\\.evil.com",
]

# ---- The head
HEADS = {
    "bare LF everywhere": b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "bare LF after the request line": b"GET /healthz HTTP/1.1\nHost: localhost\r\n\r\n",
    "bare CR in the head": b"GET /healthz HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
    "LF LF as the end": b"GET /healthz HTTP/1.1\r\nHost: localhost\n\n",
    "CR LF LF": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\n",
    "two blanks": b"GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two blanks before the version": b"GET /healthz  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tab": b"GET\t/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "leading blank": b" GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "trailing blank": b"GET /healthz HTTP/1.1 \r\nHost: localhost\r\n\r\n",
    "no version": b"GET /healthz\r\nHost: localhost\r\n\r\n",
    "64 leading CRLF": b"\r\n" * 64 + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "NUL in the method": b"G\x00T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "quote in the method": b'GE"T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n',
    "0x80 in the method": b"GE\x80T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "ssh": b"SSH-2.0-x\r\n\r\n", "redis": b"*1\r\n$4\r\nPING\r\n", "smtp": b"HELO x\r\n\r\n",
    "proxy v1": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "proxy v2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + b"\x7f\x00\x00\x01" * 3 + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    **{f"version {v}": get(version=v) for v in ("http/1.1", "HTTP/ 1.1", "HTTP/1", "HTTP/01.1", "HTTP/1.10", "HTTP/1.2", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9",
                                               "HTTP/4294967297.1", "HTTP/1.1x", "HTTP/11", "HTTP/1,1", "HTTQ/1.1", "HTTP/-1.1", "HTTP/1.\x001")},
    **{f"name {n!r}": get(more=f"{n}\r\n") for n in ("no colon", ": empty", "a b: c", "a : c", "a\x00: c", "a\x7f: c", "a\x80: c", "a[: c", "a]: c", "a(: c", "a): c",
                                                     "a@: c", "a=: c", 'a": c', "a/: c", "a\x0b: c", "{a}: c")},
    **{f"value {v!r}": get(more=f"X: {v}\r\n") for v in ("a\x00b", "a\rb", "a\x0bb", "a\x0cb", "a\x07b", "a\x7fb", "a\x01", "a\r\n b", "a\r\n\tb")},
}
TARGETS = ["localhost:8080", "healthz", "*", "ftp://localhost/healthz", "http:///healthz", "http:\\\\evil.com/healthz", "/healthz#x", "/he\x00althz", "/he\x80lthz",
           "/he\x01lthz", "http://localhost@evil.com/healthz", "https://localhost/healthz", "http://evil.com/healthz", "http://localhost.evil.com/healthz",
           "/\x7fhealthz", "http://localhost:99999/healthz", "http://user@localhost/healthz"]
PATHS = ["//evil.com/mcp", "//mcp", "//healthz", "/x/../healthz", "/./healthz", "/healthz/", "/healthz/..", "/%68ealthz", "/healthz%00", "/%2e%2e/healthz", "/x%2f..%2fhealthz",
         "/healthz%0d%0a", "/%zz", "/%c0%af", "/healthz\\", '/healthz"', "/healthz;x=1", "/HEALTHZ", "/healthz.", "/mcp/", "/mcp/..", "/admin", "/admin/status", "/admin/reload"]

# ---- Framing: exactly one answer, then the connection ends.
LENGTHS = ["+5", "-1", "-0", "0x5", "0o5", "0b1", "5x", "5.0", "5e0", "1_0", '"5"', "5;x", "5,5", "5,", ",5", "", "18446744073709551616", "99999999999999999999", "05", "00",
           "\xef\xbc\x95", "5\x0b", "5\x00", "5 5", "0 5"]
CODINGS = ["xchunked", "gzip", "gzip, chunked", "chunked, gzip", "identity", "", ",chunked", "chunked,", "chunked;q=1", '"chunked"', "chunked chunked", "chunked, chunked",
           "x", "cow", "\x0bchunked", "chunked\x0b", "\x00chunked", "chunked\x00", "chunked\x7f", "\x80chunked", "chun\tked", "'chunked'", "[chunked]"]
CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
FRAMING = {
    **{f"length {v!r}": post(f"Content-Length: {v}\r\n", b"hello") for v in LENGTHS},
    **{f"coding {v!r}": post(f"Transfer-Encoding: {v}\r\n", CHUNKED) for v in CODINGS},
    "two equal lengths": post("Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    "two lengths": post("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"),
    "two lengths by case": post("Content-Length: 5\r\ncontent-length: 6\r\n", b"hello!"),
    "folded length": post("Content-Length:\r\n 5\r\n", b"hello"),
    "length and chunked": post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "chunked and length": post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKED),
    "two codings": post("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "two chunked": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "folded coding": post("Transfer-Encoding:\r\n chunked\r\n", CHUNKED),
    "blank before the colon": post("Transfer-Encoding : chunked\r\n", CHUNKED),
    **{f"byte {b:#04x} before the name": post(f"{chr(b)}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKED) for b in (0, 1, 8, 9, 11, 12, 31, 32, 127, 128, 160, 255)},
    **{f"byte {b:#04x} after the name": post(f"Transfer-Encoding{chr(b)}: chunked\r\nContent-Length: 5\r\n", CHUNKED) for b in (0, 1, 8, 9, 11, 12, 31, 32, 127, 128, 160, 255)},
}
CHUNKS = {
    **{f"chunk size {v!r}": v for v in (b"0x5", b"+5", b"-5", b"1_0", b" 5", b"5 ", b"\t5", b"5\t", b"", b"Z", b"5zz", b"0" * 17 + b"5", b"00000005", b"5" * 17, b"5;", b"5;\n", b"5;a\rb",
                                                b"5;" + b"x" * 40000, b"5\x00", b"\xef\xbc\x95")},
}
for _name, _size in list(CHUNKS.items()):
    CHUNKS[_name] = post("Transfer-Encoding: chunked\r\n", _size + b"\r\nhello\r\n0\r\n\r\n")
CHUNKS |= {f"chunks: {name}": post("Transfer-Encoding: chunked\r\n", body) for name, body in {
    "LF ends the size": b"5\nhello\r\n0\r\n\r\n", "CR ends the size": b"5\rhello\r\n0\r\n\r\n", "LF ends the data": b"5\r\nhello\n0\r\n\r\n", "data too long": b"5\r\nhello!\r\n0\r\n\r\n",
    "no CRLF after data": b"5\r\nhello0\r\n\r\n", "LF at the end": b"5\r\nhello\r\n0\r\n\n", "LF LF": b"5\r\nhello\r\n0\n\n", "blank at the end": b"5\r\nhello\r\n0\r\n \r\n",
    **{f"trailer {t}": b"5\r\nhello\r\n0\r\n" + t.encode() + b": 1\r\n\r\n" for t in ("Content-Length", "Transfer-Encoding", "Host", "Authorization", "Origin")}}.items()}

SIMPLE_REQUESTS = {  # what a page can send without preflight
    kind: post_type for kind, post_type in (("plain", "text/plain"), ("form", "application/x-www-form-urlencoded"), ("multipart", "multipart/form-data; boundary=x"),
                                            ("json in plain", "text/plain; application/json"), ("json suffix", "application/jsonx"), ("xml", "application/xml"),
                                            ("problem", "application/problem+json"), ("two", "application/json, text/plain"))}
