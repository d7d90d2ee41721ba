#include "http/sse.hpp"

#include "base/check.hpp"

namespace clawql::http {
namespace {

// A field of one line: a line break in it would begin another field, or end the event.
void append_line(std::string& out, std::string_view name, std::string_view value) {
  CLAWQL_CHECK(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  out += name;
  out += value;
  out += '\n';
}

}  // namespace

void append_sse(std::string& out, const SseEvent& event) {
  if (!event.event.empty()) append_line(out, "event: ", event.event);
  if (!event.id.empty()) append_line(out, "id: ", event.id);
  // CR, LF and CRLF all end a line (WHATWG HTML section 9.2.5).
  std::string_view rest = event.data;
  while (true) {
    const std::size_t stop = rest.find_first_of("\r\n");
    out += "data: ";
    out += rest.substr(0, stop);
    out += '\n';
    if (stop == std::string_view::npos) break;
    const bool pair = rest.substr(stop).starts_with("\r\n");
    rest.remove_prefix(stop + (pair ? 2 : 1));
  }
  out += '\n';
}

void append_sse_retry(std::string& out, unsigned milliseconds) {
  out += "retry: ";
  out += std::to_string(milliseconds);
  out += "\n\n";
}

void append_sse_comment(std::string& out) {
  out += ":\n\n";
}

}  // namespace clawql::http
