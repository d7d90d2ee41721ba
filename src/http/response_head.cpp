#include <array>
#include <charconv>

#include "base/appender.hpp"
#include "base/check.hpp"
#include "http/characters.hpp"
#include "http/fields.hpp"
#include "http/request.hpp"

namespace clawql::http {
namespace {

void append_field(base::Appender& out, std::string_view name, std::string_view value) {
  // Ours alone: a value that could begin another line is a broken invariant, not input.
  CLAWQL_CHECK(is_token(name) && is_field_text(value));
  out.put(name);
  out.put(": ");
  out.put(value);
  out.put("\r\n");
}

bool has_no_body(int status) {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace

void append_response_head(std::string& out, const ResponseHead& head) {
  constexpr std::size_t kUsualHead = 512;
  CLAWQL_CHECK(head.status >= 100 && head.status <= 599);
  base::Appender to(out, kUsualHead);
  to.put("HTTP/1.1 ");
  to.put_decimal(head.status);
  to.put(' ');
  to.put(reason_phrase(head.status));
  to.put("\r\n");
  if (!head.content_type.empty()) append_field(to, "Content-Type", head.content_type);
  if (!has_no_body(head.status)) {
    CLAWQL_CHECK(!head.chunked || !head.content_length);
    if (head.chunked) to.put("Transfer-Encoding: chunked\r\n");
    if (head.content_length) {
      to.put("Content-Length: ");
      to.put_decimal(*head.content_length);
      to.put("\r\n");
    }
  }
  if (head.close) to.put("Connection: close\r\n");
  for (const auto& [name, value] : head.fields) append_field(to, name, value);
  to.put("\r\n");
}

void append_chunk(std::string& out, std::string_view data) {
  CLAWQL_CHECK(!data.empty());
  std::array<char, 16> digits;
  const char* const last = std::to_chars(digits.data(), digits.data() + digits.size(), data.size(), 16).ptr;
  base::Appender to(out, data.size() + digits.size());
  to.put(std::string_view(digits.data(), last));
  to.put("\r\n");
  to.put(data);
  to.put("\r\n");
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
