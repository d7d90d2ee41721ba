#include <fmt/format.h>

#include <iterator>

#include "base/check.hpp"
#include "http/characters.hpp"
#include "http/request.hpp"

namespace clawql::http {
namespace {

void append_field(std::string& out, std::string_view name, std::string_view value) {
  // Ours alone: a value that could begin another line is a broken invariant, not input.
  CLAWQL_CHECK(is_token(name) && all_are(kFieldText, value));
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

bool has_no_body(int status) {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace

void append_response_head(std::string& out, const ResponseHead& head) {
  CLAWQL_CHECK(head.status >= 100 && head.status <= 599);
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", head.status, reason_phrase(head.status));
  if (!head.content_type.empty()) append_field(out, "Content-Type", head.content_type);
  if (!has_no_body(head.status)) {
    CLAWQL_CHECK(!head.chunked || !head.content_length);
    if (head.chunked) append_field(out, "Transfer-Encoding", "chunked");
    if (head.content_length) fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", *head.content_length);
  }
  if (head.close) append_field(out, "Connection", "close");
  for (const auto& [name, value] : head.fields) append_field(out, name, value);
  out += "\r\n";
}

void append_chunk(std::string& out, std::string_view data) {
  CLAWQL_CHECK(!data.empty());
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", data.size());
  out += data;
  out += "\r\n";
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

}  // namespace clawql::http
