// What the door and the engine say to each other: the frames of a channel, and the fixed layout of the two that carry
// facts. Parsed fields travel, never head bytes: the engine does not see HTTP. Views in decoded values point into the
// frame's bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clawql::ipc {

using StreamId = std::uint32_t;
inline constexpr StreamId kMaxStreams = 65'536;  // ids 0 … kMaxStreams-1; the channel itself is kChannelItself
inline constexpr StreamId kChannelItself = 0xFFFF'FFFF;

enum class Kind : std::uint8_t {
  // door → engine
  open = 1,         // a new stream: Open
  body = 2,         // a piece of its request body (or of a client's lines)
  end = 3,          // both directions: nothing more comes from this side
  cancel = 4,       // the client went away; the engine answers `end` or `reset`
  refusals = 5,     // on kChannelItself: counts of refusals since the last frame
  half_closed = 6,  // the request was complete and now the client closed its sending side: it may have left, or still
                    // read its answer. What that means is the engine's to decide (the two eras of MCP differ)
  // engine → door
  head = 16,   // status and fields of the answer: Head
  data = 17,   // a piece of the answer; for an event stream one or more whole events
  reset = 18,  // the answer cannot be finished (u8 base::Reason)
  // both directions
  credit = 32,  // u32: so many more bytes may be sent on this stream; on kChannelItself: on the channel
};

struct FrameHeader {
  std::uint32_t length;  // of the payload, in bytes
  StreamId stream;
  Kind kind;
};
inline constexpr std::size_t kFrameHeaderBytes = 12;  // length, stream: u32; kind: u8; three zero bytes. Little endian.
inline constexpr std::uint32_t kMaxPayload = 256U << 10;
inline constexpr std::uint32_t kStreamCredit =
    64U << 10;  // bytes of answer (or of body, with the open) before credit is due
inline constexpr std::uint32_t kChannelCredit = 4U << 20;

enum class Route : std::uint8_t {
  mcp = 0,
  sse = 1,
  message = 2,
  readyz = 3,
  metrics = 4,
  admin = 5,
  lines = 6
};  // lines: newline JSON
inline constexpr std::uint8_t kRouteCount = 7;
enum class Method : std::uint8_t { get = 0, post = 1, delete_ = 2 };

// Who is at the other end of the client's connection, as the kernel told the door. This is the door's word.
struct Peer {
  enum class Kind : std::uint8_t { unix_socket = 0, tcp = 1 };
  Kind kind = Kind::unix_socket;
  std::uint32_t uid = 0, gid = 0, pid = 0;  // unix_socket
  std::array<std::uint8_t, 16> address{};   // tcp; IPv4 as ::ffff:a.b.c.d
  std::uint16_t port = 0;
};
std::string describe(const Peer& peer);  // "uid:1000 pid:77", "127.0.0.1:5555"

enum class RequestField : std::uint8_t {
  session_id = 0,
  protocol_version = 1,
  last_event_id = 2,
  mcp_method = 3,
  mcp_name = 4,
  authorization = 5,
  mcp_param = 6,  // "Name: value" with the part after `Mcp-Param-` as name; may be repeated
  traceparent = 7,
  target = 8,  // path and query, of the route admin
};
inline constexpr std::uint8_t kRequestFieldCount = 9;
// Of the values of all fields of one Open together: with 64 KiB of body it must fit into a frame.
inline constexpr std::size_t kMaxFieldBytes = 24U << 10;

struct Open {
  Route route = Route::mcp;
  Method method = Method::get;
  std::uint16_t listener = 0;  // DoorSettings::listeners[].id
  Peer peer;
  bool accepts_json = false;
  bool accepts_event_stream = false;
  bool has_body = false;  // a body follows (body frames, then end); false: end follows at once
  std::vector<std::pair<RequestField, std::string_view>> fields;
  std::string_view first_body;  // up to kStreamCredit bytes of body that were there already

  std::optional<std::string_view> field(RequestField id) const;  // the first one
};
void encode(std::string& out, const Open& open);
std::optional<Open> decode_open(std::string_view payload);  // nullopt: the peer broke the protocol

enum class ContentType : std::uint8_t { none = 0, json = 1, event_stream = 2, text = 3, metrics = 4 };
enum class ResponseField : std::uint8_t {
  session_id = 0,
  allow = 1,
  retry_after = 2,
  www_authenticate = 3,
  protocol_version = 4
};
inline constexpr std::uint8_t kResponseFieldCount = 5;

struct Head {
  std::uint16_t status = 200;
  ContentType content_type = ContentType::none;
  std::optional<std::uint64_t>
      content_length;  // nullopt: of unknown length (chunked); then 202 has no data. 204 never has any
  std::vector<std::pair<ResponseField, std::string_view>> fields;
  // This answer is a stream that waits for news (a subscription): its request is no longer work under way, and the door
  // counts it among connections alone.
  bool listens = false;
};
void encode(std::string& out, const Head& head);
std::optional<Head> decode_head(std::string_view payload);

// Counts of refused requests by reason, sampled at the door so that a flood cannot flood the audit (one frame a second
// at most).
struct RefusalCount {
  std::uint8_t reason = 0;  // base::Reason
  std::uint32_t count = 0;
  std::string_view last_peer;   // describe(Peer) of the last one
  std::string_view last_value;  // offered Host, Origin or path of the last one, cut at 256 bytes; hostile
};
void encode(std::string& out, const std::vector<RefusalCount>& counts);
std::optional<std::vector<RefusalCount>> decode_refusals(std::string_view payload);

void encode_header(std::string& out, const FrameHeader& header);
// nullopt: unknown kind, non-zero padding or a length over kMaxPayload.
std::optional<FrameHeader> decode_header(std::string_view bytes);

}  // namespace clawql::ipc
