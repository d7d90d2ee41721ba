// Server-sent events (WHATWG HTML section 9.2), writing only. Data is one JSON message without line breaks.
#pragma once

#include <string>
#include <string_view>

namespace clawql::http {

struct SseEvent {
  std::string_view event = {};  // empty: no `event:` line ("message" is the default)
  std::string_view id = {};     // empty: no `id:` line
  std::string_view data = {};   // a line break in it becomes a further `data:` line; may be empty (priming event)
};
void append_sse(std::string& out, const SseEvent& event);
void append_sse_retry(std::string& out, unsigned milliseconds);
void append_sse_comment(std::string& out);  // a keep-alive

}  // namespace clawql::http
