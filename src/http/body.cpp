#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "http/characters.hpp"
#include "http/fields.hpp"
#include "http/request.hpp"

namespace clawql::http {

using base::Reason;

namespace {

constexpr std::size_t kChunkLine = 256;  // a chunk-size or trailer line with its line end
constexpr std::size_t kSizeDigits = 16;
constexpr std::uint64_t kTrailers = 16;
// Chunk lines may cost this much more than 16 bytes a chunk and twice the data: tiny chunks with long extensions are an
// attack on whoever counts body bytes alone.
constexpr std::uint64_t kOverhead = 16U << 10;

constexpr std::uint64_t hex_digit(char c) {
  const int value = c <= '9' ? c - '0' : lower(c) - 'a' + 10;
  return static_cast<std::uint64_t>(value);
}

// `;name`, `;name=token` or `;name="text"`, any number of them, without blanks (RFC 9112 section 7.1.1).
bool are_extensions(std::string_view text) {
  const auto take_token = [&text] {
    const std::string_view before = text;
    while (!text.empty() && is(kToken, text.front())) text.remove_prefix(1);
    return text.size() != before.size();
  };
  const auto take_quoted = [&text] {
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '"') {
        text.remove_prefix(i + 1);
        return true;
      }
      if (text[i] == '\\') ++i;
      if (i == text.size() || !is(kFieldText, text[i])) return false;
    }
    return false;
  };
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    if (!take_token()) return false;
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    if (text.starts_with('"') ? !take_quoted() : !take_token()) return false;
  }
  return true;
}

// Fields that frame, route, authenticate or describe a request have no place after its body (RFC 9110 section 6.5.1).
bool may_be_trailer(std::string_view name) {
  static constexpr std::array<std::string_view, 15> kRefused{
      "host",       "transfer-encoding", "authorization", "origin",  "cookie",
      "set-cookie", "connection",        "expect",        "accept",  "forwarded",
      "te",         "trailer",           "upgrade",       "referer", "range"};
  static constexpr std::array<std::string_view, 8> kRefusedPrefixes{"content", "mcp-",   "sec-",    "x-",
                                                                    "if-",     "proxy-", "access-", "accept-"};
  const auto starts = [name](std::string_view prefix) {
    return equals_ignoring_case(name.substr(0, prefix.size()), prefix);
  };
  return std::ranges::none_of(kRefused,
                              [name](auto refused_name) { return equals_ignoring_case(name, refused_name); }) &&
         std::ranges::none_of(kRefusedPrefixes, starts);
}

}  // namespace

BodyDecoder::BodyDecoder(const Framing& framing, std::uint64_t limit) : limit_(limit) {
  switch (framing.kind) {
    case Framing::Kind::none: break;
    case Framing::Kind::length:
      remaining_ = framing.length;
      done_ = framing.length == 0;
      break;
    case Framing::Kind::chunked:
      chunked_ = true;
      done_ = false;
      state_ = State::size_line;
      break;
  }
}

std::expected<BodyDecoder::Step, base::Refusal> BodyDecoder::decode(std::string_view input) {
  if (done_) return Step{.consumed = 0, .body = {}, .done = true};
  if (!chunked_) return decode_length(input);
  // On to the next piece of the body, or as far as the input goes.
  Step total{.consumed = 0, .body = {}, .done = false};
  while (!done_ && total.body.empty() && total.consumed < input.size()) {
    const std::string_view rest = input.substr(total.consumed);
    const auto step = state_ == State::data || state_ == State::data_end ? decode_data(rest) : decode_line(rest);
    if (!step) return step;
    total.consumed += step->consumed;
    total.body = step->body;
  }
  total.done = done_;
  return total;
}

std::expected<BodyDecoder::Step, base::Refusal> BodyDecoder::decode_length(std::string_view input) {
  if (remaining_ + taken_ > limit_)
    return std::unexpected(*refused(Reason::body_too_large, "Content-Length over the limit"));
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
  remaining_ -= size;
  taken_ += size;
  done_ = remaining_ == 0;
  return Step{.consumed = size, .body = input.substr(0, size), .done = done_};
}

std::expected<BodyDecoder::Step, base::Refusal> BodyDecoder::decode_data(std::string_view input) {
  if (state_ == State::data) {
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
    remaining_ -= size;
    taken_ += size;
    if (remaining_ == 0) {
      state_ = State::data_end;
      remaining_ = 2;  // CR and LF are missing
    }
    return Step{.consumed = size, .body = input.substr(0, size), .done = false};
  }
  if (input.front() != (remaining_ == 2 ? '\r' : '\n'))
    return std::unexpected(*refused(Reason::http_framing, "chunk data longer than announced"));
  if (--remaining_ == 0) state_ = State::size_line;
  return Step{.consumed = 1, .body = {}, .done = false};
}

std::expected<BodyDecoder::Step, base::Refusal> BodyDecoder::decode_line(std::string_view input) {
  const std::size_t line_feed = input.find('\n');
  const bool ends = line_feed != std::string_view::npos;
  const std::size_t size = ends ? line_feed + 1 : input.size();
  const std::size_t room = kChunkLine - line_.size();
  std::string_view line = input.substr(0, std::min(size, room));
  if (!line_.empty() || !ends) {
    line_ += line;
    line = line_;
  }
  // A bare CR cannot become right any more; without this it would wait for a line feed. Looked for before the length,
  // so that the answer does not depend on the pieces.
  const std::size_t after_return = line.find('\r') + 1;
  if (after_return != 0 && after_return < line.size() && line[after_return] != '\n')
    return std::unexpected(*refused(Reason::http_framing, "carriage return without line feed in a body"));
  if (size > room) return std::unexpected(*refused(Reason::http_framing, "chunk or trailer line too long"));
  if (ends) {
    if (auto verdict = take_line(line)) return std::unexpected(*std::move(verdict));
    line_.clear();
  }
  return Step{.consumed = size, .body = {}, .done = done_};
}

std::optional<base::Refusal> BodyDecoder::take_line(std::string_view line) {
  if (!line.ends_with("\r\n")) return refused(Reason::http_framing, "line feed without carriage return in a body");
  overhead_ += line.size();
  line.remove_suffix(2);
  return state_ == State::size_line ? take_size_line(line) : take_trailer_line(line);
}

std::optional<base::Refusal> BodyDecoder::take_size_line(std::string_view line) {
  std::size_t digits = 0;
  std::uint64_t size = 0;
  while (digits < line.size() && is(kHexDigit, line[digits]) && digits <= kSizeDigits)
    size = size * 16 + hex_digit(line[digits++]);
  if (digits == 0 || digits > kSizeDigits || (digits > 1 && line.front() == '0') ||
      !are_extensions(line.substr(digits)))
    return refused(Reason::http_framing, "chunk size out of grammar");
  if (size == 0) {
    state_ = State::trailer;
    remaining_ = kTrailers;
    return std::nullopt;
  }
  if (size > limit_ - std::min(taken_, limit_)) return refused(Reason::body_too_large, "chunks over the limit");
  overhead_ -= std::min(overhead_, 16 + 2 * std::min(size, kOverhead));
  if (overhead_ > kOverhead) return refused(Reason::http_framing, "chunk lines outweigh their data");
  state_ = State::data;
  remaining_ = size;
  return std::nullopt;
}

std::optional<base::Refusal> BodyDecoder::take_trailer_line(std::string_view line) {
  if (line.empty()) {
    done_ = true;
    return std::nullopt;
  }
  if (remaining_-- == 0) return refused(Reason::http_framing, "too many trailers");
  Field field;
  if (!parse_field_line(line, field) || !may_be_trailer(field.name))
    return refused(Reason::http_framing, "trailer refused");
  return std::nullopt;
}

}  // namespace clawql::http
