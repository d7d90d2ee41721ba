// For tests and fuzz targets: what a connection would make of some bytes, told as text, with the bytes coming in any
// pieces. Two replays of the same bytes must tell the same.
#pragma once

#include <string>
#include <string_view>

#include "http/request.hpp"

namespace clawql::http {

class ConnectionReplay {
 public:
  explicit ConnectionReplay(std::uint64_t body_limit = 1U << 20) : body_limit_(body_limit) {}

  void feed(std::string_view bytes) {
    buffer_ += bytes;
    while (!refused_ && advance()) {
    }
  }

  // A line for each request: `POST /mcp host=localhost body=hello`, then the label of the refusal, if any; a request
  // that is not complete ends in `…`.
  std::string told() const { return told_ + (in_body_ ? body_ + "…" : ""); }
  bool refused() const { return refused_; }
  std::size_t requests() const { return requests_; }
  // Of the latest request, copied.
  const std::string& host() const { return host_; }
  const std::string& origin() const { return origin_; }
  std::size_t origins() const { return origins_; }

 private:
  bool advance() { return in_body_ ? advance_body() : advance_head(); }

  bool advance_head() {
    auto result = parser_.parse(buffer_);
    if (std::holds_alternative<HeadParser::NeedMore>(result)) return false;
    if (const auto* refusal = std::get_if<base::Refusal>(&result)) return refuse(*refusal);
    const auto& [head, consumed] = std::get<HeadParser::Done>(result);
    ++requests_;
    host_ = head.host->host.text();
    origins_ = head.count("origin");
    origin_ = head.field("origin").value_or("");
    told_.append(head.method_text).append(" ").append(head.path).append("?").append(head.query);
    told_.append(" host=").append(host_).append(head.keep_alive ? "" : " close");
    told_.append(head.expects_continue ? " continue" : "").append(" body=");
    decoder_ = BodyDecoder(head.framing, body_limit_);
    buffer_.erase(0, consumed);
    parser_.reset();
    in_body_ = true;
    body_.clear();
    return true;
  }

  bool advance_body() {
    const auto step = decoder_.decode(buffer_);
    if (!step) return refuse(step.error());
    body_.append(step->body);
    buffer_.erase(0, step->consumed);
    if (!step->done) return step->consumed > 0;
    told_.append(body_).append("\n");
    in_body_ = false;
    return true;
  }

  bool refuse(const base::Refusal& refusal) {
    // How much of a refused body had come depends on the pieces; that it was refused, and why, does not.
    told_.append(base::facts(refusal.reason).label);
    in_body_ = false;
    refused_ = true;
    return false;
  }

  std::uint64_t body_limit_;
  HeadParser parser_{HeadLimits{}};
  BodyDecoder decoder_;
  std::string buffer_;
  std::string told_;
  std::string body_;
  std::string host_;
  std::string origin_;
  std::size_t origins_ = 0;
  std::size_t requests_ = 0;
  bool in_body_ = false;
  bool refused_ = false;
};

}  // namespace clawql::http
