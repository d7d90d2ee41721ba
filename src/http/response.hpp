// A strict HTTP/1.1 response parser for our own clients (the operator's command line, tests): the same care with
// grammar and framing as towards requests, because what answers on a socket may not be who we think. Bytes in, a head
// and body pieces out; no sockets. One parser a connection; reset() between the answers of a kept-alive one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "http/request.hpp"

namespace clawql::http {

struct ResponseLimits {
  std::size_t head_bytes = 64U << 10;
  std::size_t fields = 200;
  std::uint64_t body_bytes = 16U << 20;
};

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  bool keep_alive = true;  // false: the server closes, or the body ends with the stream

  // The only field with this name, ignoring case; nullopt when there is none or more than one.
  std::optional<std::string_view> field(std::string_view name) const;
};

class ResponseParser {
 public:
  explicit ResponseParser(const ResponseLimits& limits = {}) : limits_(limits) {}

  struct Step {
    std::size_t consumed;   // bytes of the input that were used
    std::string_view body;  // a piece of the body inside the input; may be empty
    bool done;              // the response is complete
  };
  // Takes bytes as they come, at any split; call again with the rest until consumed == 0 or done. Interim responses
  // (1xx) are passed over; 101 is refused. An error is final.
  Result<Step> feed(std::string_view input);
  // The stream ended. Fine when the response is complete or its body ends with the stream.
  Status finish();

  bool has_head() const { return state_ != State::head; }
  bool done() const { return state_ == State::done; }
  const Response& response() const { return response_; }  // after has_head()

  // Before the next response. `to_head_request`: it answers HEAD, so no body follows whatever its fields say.
  void reset(bool to_head_request = false);

 private:
  enum class State : std::uint8_t { head, body, until_end, done };
  Result<Step> feed_head(std::string_view input);
  Status take_head(std::string_view head);
  Status take_status_line(std::string_view line);
  Status take_framing(const std::vector<Field>& fields);

  ResponseLimits limits_;
  State state_ = State::head;
  bool to_head_request_ = false;
  std::string head_;  // as far as it came
  std::size_t scanned_ = 0;
  std::uint64_t taken_ = 0;
  Response response_;
  BodyDecoder decoder_;
};

}  // namespace clawql::http
