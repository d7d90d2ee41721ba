// A strict HTTP/1.1 request codec (RFC 9110, RFC 9112): bytes in, a head and body pieces out. No sockets, no clock, no
// routes, no policy. Whatever is ambiguous is refused: shared parsing differences are how requests are smuggled. What
// each refusal is: base/refusal.hpp; the table of inputs and answers: tests/attacks. Not thread-safe; one parser a
// connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/refusal.hpp"
#include "http/authority.hpp"

namespace clawql::http {

enum class Method : std::uint8_t { get, head, post, put, delete_, options, patch, other };

struct Field {
  std::string_view name;   // as sent; compare with equals_ignoring_case
  std::string_view value;  // without the blanks around it
};

// How the body is delimited (RFC 9112 section 6.3; one way only, never both).
struct Framing {
  enum class Kind : std::uint8_t { none, length, chunked };
  Kind kind = Kind::none;
  std::uint64_t length = 0;  // for Kind::length; > 0
};

// A head that passed every rule of grammar and framing. All views point into the bytes given to the parser and live as
// long as those.
struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  // "/mcp": starts with '/', not decoded, not normalised. "*" for `OPTIONS *`, and for CONNECT, which names no path.
  std::string_view path;
  std::string_view query;                     // without '?'
  std::optional<Authority> target_authority;  // of an absolute-form target
  std::optional<Authority> host;              // always present after a successful parse
  std::vector<Field> fields;
  Framing framing;
  bool expects_continue = false;
  bool keep_alive = true;  // false for `Connection: close`

  // The only field with this name; nullopt when there is none *or more than one* (use count() to tell).
  std::optional<std::string_view> field(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

struct HeadLimits {
  std::size_t head_bytes =
      16U << 10;  // all of it, line ends included → 431 (414 when the target alone is over target_bytes)
  std::size_t target_bytes = 8000;
  std::size_t fields = 100;
};

// Finds and parses heads in the front of a growing buffer.
class HeadParser {
 public:
  explicit HeadParser(const HeadLimits& limits) : limits_(limits) {}

  struct NeedMore {};
  struct Done {
    RequestHead head;
    std::size_t consumed;  // bytes of the buffer that the head took
  };
  // `buffer` is everything unconsumed so far; call again with a longer one after NeedMore (only new bytes are scanned
  // again). A refusal is final for the connection.
  std::variant<NeedMore, Done, base::Refusal> parse(std::string_view buffer);
  // Before the next head of the same connection.
  void reset() { scanned_ = line_end_ = 0; }

 private:
  HeadLimits limits_;
  std::size_t scanned_ = 0;   // bytes in which the end of the head has been looked for
  std::size_t line_end_ = 0;  // size of the request line with its CRLF, once it came whole and was found good
};

// Takes the body of one request from the bytes after its head.
class BodyDecoder {
 public:
  BodyDecoder() = default;
  // `limit`: more body bytes than this are refused with body_too_large.
  BodyDecoder(const Framing& framing, std::uint64_t limit);

  struct Step {
    std::size_t consumed;   // bytes of the input that were used
    std::string_view body;  // a piece of the body inside the input; may be empty
    bool done;              // the body is complete; bytes after `consumed` belong to the next request
  };
  // Call again with the rest until consumed == 0 or done. Works at any split of the input.
  std::expected<Step, base::Refusal> decode(std::string_view input);
  bool done() const { return done_; }

 private:
  enum class State : std::uint8_t { length, size_line, data, data_end, trailer };
  State state_ = State::length;
  bool done_ = true;
  bool chunked_ = false;
  std::uint64_t remaining_ = 0;  // of the body, or of the present chunk
  std::uint64_t taken_ = 0;
  std::uint64_t limit_ = 0;
  std::uint64_t overhead_ = 0;  // bytes of chunk lines and trailers beyond what the data justifies
  std::string line_;            // a chunk-size or trailer line in pieces, at most kChunkLine bytes

  std::expected<Step, base::Refusal> decode_length(std::string_view input);
  std::expected<Step, base::Refusal> decode_data(std::string_view input);
  std::expected<Step, base::Refusal> decode_line(std::string_view input);
  std::optional<base::Refusal> take_line(std::string_view line);
  std::optional<base::Refusal> take_size_line(std::string_view line);
  std::optional<base::Refusal> take_trailer_line(std::string_view line);
};

bool same_letters(const char* a, const char* b, std::size_t size);
// ASCII only. The sizes tell nearly all names apart, so that comparison stands here.
inline bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         same_letters(a.data(), b.data(), a.size());  // NOLINT(bugprone-suspicious-stringview-data-usage): of that size
}

// The field names of a comma-divided list (RFC 9110 section 5.6.1, empty elements left out). nullopt: one is no token,
// or there are more than `most`.
std::optional<std::vector<std::string_view>> names_of_list(std::string_view list, std::size_t most);

// Media type and Accept, enough for MCP.
// True for `application/json` with or without parameters, any case (RFC 9110 section 8.3.1).
bool is_json_media_type(std::string_view content_type);
struct Accepts {
  bool json = false;
  bool event_stream = false;
};
// Ranges `*/*`, `application/*`, `text/*` count; `;q=0` excludes. Malformed parts are skipped.
Accepts parse_accept(std::string_view accept);

// A response head. The body follows: `content_length` bytes, or chunks.
struct ResponseHead {
  int status = 200;
  std::string_view content_type = {};  // empty: none
  std::optional<std::uint64_t> content_length =
      {};  // nullopt with chunked: `Transfer-Encoding: chunked`; 204 and 304 get neither
  bool chunked = false;
  bool close = false;  // adds `Connection: close`
  std::vector<std::pair<std::string_view, std::string_view>> fields =
      {};  // names and values are ours, never copied from outside unchecked
};
void append_response_head(std::string& out, const ResponseHead& head);
void append_chunk(std::string& out, std::string_view data);  // data must not be empty
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
std::string_view reason_phrase(int status);

}  // namespace clawql::http
