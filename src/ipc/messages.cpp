#include "ipc/messages.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include "base/appender.hpp"
#include "base/check.hpp"

namespace clawql::ipc {
namespace {

// Little endian, one value after the other; strings as u16 length and bytes, or u32 where they may be longer.
class Writer {
 public:
  Writer(std::string& out, std::size_t room) : out_(out, room) {}
  template <class T>
  void number(T value) {
    std::memcpy(out_.take(sizeof value), &value, sizeof value);
  }
  template <class Length>
  void text(std::string_view value) {
    CLAWQL_CHECK(value.size() <= std::numeric_limits<Length>::max());
    number(static_cast<Length>(value.size()));
    out_.put(value);
  }
  void bytes(std::string_view value) { out_.put(value); }

 private:
  base::Appender out_;
};

constexpr std::size_t kUsualFields = 256;  // bytes of the fields of an open or a head

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T number() {
    T value{};
    if (bytes_.size() < sizeof value) {
      ok_ = false;
      return value;
    }
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): the size is checked above
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  template <class Length>
  std::string_view text() {
    const auto length = number<Length>();
    if (!ok_ || bytes_.size() < length) {
      ok_ = false;
      return {};
    }
    const std::string_view value = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return value;
  }
  bool flag() {
    const auto value = number<std::uint8_t>();
    if (value > 1) ok_ = false;
    return value == 1;
  }
  // A value of an enum with `count` members, numbered from 0.
  template <class Enum>
  Enum choice(std::uint8_t count) {
    const auto value = number<std::uint8_t>();
    if (value >= count) ok_ = false;
    return static_cast<Enum>(value);
  }
  std::string_view rest() { return std::exchange(bytes_, {}); }
  bool finished() const { return ok_ && bytes_.empty(); }
  bool ok() const { return ok_; }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

static_assert(std::endian::native == std::endian::little, "both ends run on this machine; the layout is little endian");

bool is_known(Kind kind) {
  switch (kind) {
    case Kind::open:
    case Kind::body:
    case Kind::end:
    case Kind::cancel:
    case Kind::refusals:
    case Kind::half_closed:
    case Kind::head:
    case Kind::data:
    case Kind::reset:
    case Kind::credit: return true;
  }
  return false;
}

constexpr std::uint64_t kUnknownLength = ~std::uint64_t{0};
constexpr std::size_t kMaxFields = 255;

}  // namespace

std::string describe(const Peer& peer) {
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  std::string text;
  {
    base::Appender out(text, 0);  // most fit into the string itself
    if (peer.kind == Peer::Kind::unix_socket) {
      out.put("uid:");
      out.put_decimal(peer.uid);
      out.put(" pid:");
      out.put_decimal(peer.pid);
    } else if (std::ranges::equal(kMapped, std::span(peer.address).first<kMapped.size()>())) {
      // By hand, since a call is described for its audit: inet_ntop prints it by sprintf.
      for (std::size_t i = kMapped.size(); i < peer.address.size(); ++i) {
        if (i > kMapped.size()) out.put('.');
        out.put_decimal(static_cast<unsigned>(peer.address[i]));
      }
      out.put(':');
      out.put_decimal(peer.port);
    } else {
      std::array<char, INET6_ADDRSTRLEN> address{};
      ::inet_ntop(AF_INET6, peer.address.data(), address.data(), address.size());
      out.put('[');
      out.put(address.data());
      out.put("]:");
      out.put_decimal(peer.port);
    }
  }
  return text;
}

std::optional<std::string_view> Open::field(RequestField id) const {
  for (const auto& [name, value] : fields)
    if (name == id) return value;
  return std::nullopt;
}

void encode(std::string& out, const Open& open) {
  Writer writer(out, kUsualFields + open.first_body.size());
  writer.number(static_cast<std::uint8_t>(open.route));
  writer.number(static_cast<std::uint8_t>(open.method));
  writer.number(open.listener);
  writer.number(static_cast<std::uint8_t>(open.peer.kind));
  writer.number(open.peer.uid);
  writer.number(open.peer.gid);
  writer.number(open.peer.pid);
  writer.number(open.peer.address);
  writer.number(open.peer.port);
  writer.number(static_cast<std::uint8_t>(open.accepts_json));
  writer.number(static_cast<std::uint8_t>(open.accepts_event_stream));
  writer.number(static_cast<std::uint8_t>(open.has_body));
  writer.number(static_cast<std::uint8_t>(open.fields.size()));
  for (const auto& [name, value] : open.fields) {
    writer.number(static_cast<std::uint8_t>(name));
    writer.text<std::uint16_t>(value);
  }
  writer.bytes(open.first_body);
}

std::optional<Open> decode_open(std::string_view payload) {
  Reader reader(payload);
  Open open;
  open.route = reader.choice<Route>(kRouteCount);
  open.method = reader.choice<Method>(3);
  open.listener = reader.number<std::uint16_t>();
  open.peer.kind = reader.choice<Peer::Kind>(2);
  open.peer.uid = reader.number<std::uint32_t>();
  open.peer.gid = reader.number<std::uint32_t>();
  open.peer.pid = reader.number<std::uint32_t>();
  open.peer.address = reader.number<decltype(open.peer.address)>();
  open.peer.port = reader.number<std::uint16_t>();
  open.accepts_json = reader.flag();
  open.accepts_event_stream = reader.flag();
  open.has_body = reader.flag();
  const auto count = reader.number<std::uint8_t>();
  open.fields.reserve(count);
  for (unsigned i = 0; i < count && reader.ok(); ++i) {
    const auto name = reader.choice<RequestField>(kRequestFieldCount);
    open.fields.emplace_back(name, reader.text<std::uint16_t>());
  }
  open.first_body = reader.rest();
  if (!reader.finished() || open.first_body.size() > kStreamCredit) return std::nullopt;
  if (!open.has_body && !open.first_body.empty()) return std::nullopt;
  return open;
}

void encode(std::string& out, const Head& head) {
  Writer writer(out, kUsualFields);
  writer.number(head.status);
  writer.number(static_cast<std::uint8_t>(head.content_type));
  writer.number(head.content_length.value_or(kUnknownLength));
  writer.number(static_cast<std::uint8_t>(head.listens));
  writer.number(static_cast<std::uint8_t>(head.fields.size()));
  for (const auto& [name, value] : head.fields) {
    writer.number(static_cast<std::uint8_t>(name));
    writer.text<std::uint16_t>(value);
  }
}

std::optional<Head> decode_head(std::string_view payload) {
  Reader reader(payload);
  Head head;
  head.status = reader.number<std::uint16_t>();
  head.content_type = reader.choice<ContentType>(5);
  const auto length = reader.number<std::uint64_t>();
  if (length != kUnknownLength) head.content_length = length;
  head.listens = reader.flag();
  const auto count = reader.number<std::uint8_t>();
  head.fields.reserve(count);
  for (unsigned i = 0; i < count && reader.ok(); ++i) {
    const auto name = reader.choice<ResponseField>(kResponseFieldCount);
    const std::string_view value = reader.text<std::uint16_t>();
    // These become header lines: a taken engine must not be able to write a second answer into them.
    for (const char c : value)
      if (c < 0x20 || c > 0x7E) return std::nullopt;
    head.fields.emplace_back(name, value);
  }
  if (!reader.finished() || head.status < 200 || head.status > 599) return std::nullopt;
  return head;
}

void encode(std::string& out, const std::vector<RefusalCount>& counts) {
  Writer writer(out, counts.size() * kUsualFields);
  writer.number(static_cast<std::uint8_t>(std::min(counts.size(), kMaxFields)));
  for (std::size_t i = 0; i < std::min(counts.size(), kMaxFields); ++i) {
    writer.number(counts[i].reason);
    writer.number(counts[i].count);
    writer.text<std::uint16_t>(counts[i].last_peer.substr(0, 256));
    writer.text<std::uint16_t>(counts[i].last_value.substr(0, 256));
  }
}

std::optional<std::vector<RefusalCount>> decode_refusals(std::string_view payload) {
  Reader reader(payload);
  std::vector<RefusalCount> counts(reader.number<std::uint8_t>());
  for (auto& count : counts) {
    count.reason = reader.number<std::uint8_t>();
    count.count = reader.number<std::uint32_t>();
    count.last_peer = reader.text<std::uint16_t>();
    count.last_value = reader.text<std::uint16_t>();
    if (count.last_peer.size() > 256 || count.last_value.size() > 256) return std::nullopt;
  }
  if (!reader.finished()) return std::nullopt;
  return counts;
}

void encode_header(std::string& out, const FrameHeader& header) {
  const std::array<std::uint32_t, 3> words{header.length, header.stream, static_cast<std::uint32_t>(header.kind)};
  static_assert(sizeof words == kFrameHeaderBytes);
  std::array<char, sizeof words> bytes;
  std::memcpy(bytes.data(), words.data(), bytes.size());
  out.append(bytes.data(), bytes.size());
}

std::optional<FrameHeader> decode_header(std::string_view bytes) {
  Reader reader(bytes);
  FrameHeader header{};
  header.length = reader.number<std::uint32_t>();
  header.stream = reader.number<std::uint32_t>();
  const auto kind = reader.number<std::uint32_t>();
  if (!reader.ok() || kind > 255 || header.length > kMaxPayload) return std::nullopt;
  header.kind = static_cast<Kind>(kind);
  if (!is_known(header.kind)) return std::nullopt;
  return header;
}

}  // namespace clawql::ipc
