// For tests: one shard whole, with a door at the other end of a channel, servers that the test plays, a clock that
// stands still, and the audit log in memory. Requests are made as the door makes them and answers are read as it
// reads them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/line/shard.hpp"
#include "ipc/control.hpp"
#include "json/writer.hpp"

namespace clawql::engine::line::testing_support {

// A server that the test plays: calls wait until the test answers them, unless `echoes` is set.
class FakeServer final : public upstream::OwnServer {
 public:
  FakeServer(std::string name, std::string prefix) : name_(std::move(name)), prefix_(std::move(prefix)) {}

  struct Seen {
    upstream::CallId id = 0;
    std::string text, principal;  // as it would go upstream, ids and tokens apart
    bool wants_progress = false, as_task = false;
    std::uint64_t generation = 0;
    upstream::CallSink* sink = nullptr;
  };

  const std::string& name() const override { return name_; }
  const std::string& prefix() const override { return prefix_; }
  upstream::State state() const override { return current; }
  bool worth_waiting_for() const override { return starting; }
  std::shared_ptr<const upstream::Offer> offer() const override { return offer_; }
  upstream::Description describe() const override {
    upstream::Description description;
    description.name = name_;
    description.kind = "stdio";
    description.state = current;
    description.tools = offer_->list(upstream::ListKind::tools).size();
    return description;
  }
  std::optional<upstream::CallId> call(const upstream::OutgoingRequest& request, upstream::CallSink& sink) override {
    Seen seen{.id = ++ids_,
              .text = std::string(request.text),
              .principal = request.principal,
              .wants_progress = request.progress_token.has_value(),
              .as_task = request.as_task,
              .generation = request.generation,
              .sink = &sink};
    json::Splice splice(request.text);
    for (const auto& [slice, replacement] : request.edits) splice.replace(slice, std::string(replacement));
    seen.text = splice.str();
    seen_.push_back(seen);
    if (!echoes) return seen.id;
    answer(seen_.size() - 1, R"({"content":[]})");
    return std::nullopt;
  }
  void cancel(upstream::CallId call, std::string_view reason) override {
    cancelled.emplace_back(call, std::string(reason));
  }
  void set_log_level(std::string_view level) override { log_level = level; }
  void subscribe(std::string_view uri) override { subscribed.emplace_back(uri); }
  void unsubscribe(std::string_view uri) override { unsubscribed.emplace_back(uri); }
  void send(std::string_view message) override {
    sent.emplace_back(message);
    if (sent_list != nullptr) sent_list->emplace_back(message);
  }
  void wake() override { ++wakes; }
  void end() override {
    if (ended_list != nullptr) ended_list->push_back(name_);
  }
  std::uint64_t generation() const override { return generations; }
  void keep_until(base::Microseconds time) override { kept_until = time; }
  bool is_over_limit() const override { return over_limit; }

  // The test's side. The bytes of objects, each with its key: "name", "uri" or "uriTemplate".
  void set_list(upstream::ListKind kind, const std::vector<std::string>& items) {
    constexpr std::array<std::string_view, upstream::kListKinds> kKeys{"name", "uri", "uriTemplate", "name"};
    auto list = std::make_shared<upstream::ItemList>();
    for (const std::string& json : items) {
      const auto document = json::Document::parse(json, {});
      const json::Value key = document->root().find(kKeys[static_cast<std::size_t>(kind)]);
      list->push_back({.key = *key.string(),
                       .json = json,
                       .key_offset = static_cast<std::size_t>(key.raw().data() - json.data()),
                       .key_length = key.raw().size()});
    }
    auto offer = std::make_shared<upstream::Offer>(*offer_);
    offer->lists[static_cast<std::size_t>(kind)] = std::move(list);
    offer_ = std::move(offer);
  }
  void set_tools(const std::vector<std::string>& tools) { set_list(upstream::ListKind::tools, tools); }
  void set_features(const upstream::Features& features) {
    auto offer = std::make_shared<upstream::Offer>(*offer_);
    offer->features = features;
    offer_ = std::move(offer);
  }
  const Seen& seen(std::size_t index) const { return seen_[index]; }
  std::size_t calls() const { return seen_.size(); }
  void answer(std::size_t index, std::string_view result) {
    say(index, R"({"jsonrpc":"2.0","result":)" + std::string(result) + R"(,"id":9007199254740993})");
  }
  void say(std::size_t index, const std::string& message) {
    const auto document = json::Document::parse(message, {});
    ASSERT_TRUE(document) << message;
    seen_[index].sink->on_response(*document);
  }
  void notify(std::size_t index, const std::string& message) {
    const auto document = json::Document::parse(message, {});
    ASSERT_TRUE(document) << message;
    seen_[index].sink->on_notification(*document);
  }
  // Of one of a client's own.
  void ask(const std::string& request) {
    const auto document = json::Document::parse(request, {});
    ASSERT_TRUE(document) << request;
    observer->on_request(*this, *document);
  }
  void tell(const std::string& notification) {
    const auto document = json::Document::parse(notification, {});
    ASSERT_TRUE(document) << notification;
    observer->on_notification(*this, *document);
  }
  void fail(std::size_t index, base::Reason reason) { seen_[index].sink->on_failure({reason, "it died"}); }

  upstream::State current = upstream::State::ready;
  bool starting = false, echoes = false, over_limit = false;
  std::uint64_t generations = 1;
  base::Microseconds kept_until{0};
  upstream::InstanceOrder order;  // of one of a client's own, and who hears it
  upstream::Server::Observer* observer = nullptr;
  std::vector<std::string>*ended_list = nullptr, *sent_list = nullptr;  // outlive it
  int wakes = 0;
  std::string log_level;
  std::vector<std::pair<upstream::CallId, std::string>> cancelled;
  std::vector<std::string> subscribed, unsubscribed, sent;

 private:
  std::string name_, prefix_;
  std::shared_ptr<const upstream::Offer> offer_ = std::make_shared<const upstream::Offer>();
  std::deque<Seen> seen_;
  upstream::CallId ids_ = 0;
};

// One stream as the door sees it.
struct DoorStream final : ipc::DoorStreamHandler {
  void on_head(const ipc::Head& head) override {
    status = head.status;
    type = head.content_type;
    listens = head.listens;
    length = head.content_length;
    for (const auto& [field, value] : head.fields) fields.emplace_back(field, std::string(value));
  }
  void on_data(std::string_view bytes) override {
    body += bytes;
    if (reads) channel->credit(stream, static_cast<std::uint32_t>(bytes.size()));
  }
  void on_end() override { ended = true; }
  void on_reset(base::Reason reason) override { reset = reason; }
  void on_body_credit(std::uint32_t bytes) override { body_credit += bytes; }
  std::string field(ipc::ResponseField wanted) const {
    for (const auto& [field, value] : fields)
      if (field == wanted) return value;
    return {};
  }

  ipc::DoorChannel* channel = nullptr;
  ipc::StreamId stream = 0;
  bool reads = true;  // takes what comes, as a client that reads
  bool listens = false;
  int status = 0;
  ipc::ContentType type = ipc::ContentType::none;
  std::optional<std::uint64_t> length;
  std::vector<std::pair<ipc::ResponseField, std::string>> fields;
  std::string body;
  bool ended = false;
  std::optional<base::Reason> reset;
  std::uint64_t body_credit = 0;
};

class Rig : private ipc::DoorChannel::Handler, private SupervisorLink, private upstream::InstanceMaker {
 public:
  explicit Rig(const base::Limits& limits = {}) : limits_(limits) {
    shard = std::make_unique<Shard>(Shard::Parts{loop, log_, audit, registry, *this, common, this, {}}, std::uint8_t{0},
                                    limits_);
    shard->set_listeners({{.id = 0, .kind = "tcp", .label = {}}, {.id = kAdminListener, .kind = "admin", .label = {}}});
    audit.set_file(os::Fd(::dup(audit_file_.get())));
    connect();
  }
  ~Rig() = default;

  void connect() {
    auto pair = ipc::make_channel_pair();
    ipc::DoorChannel::Handler& self = *this;
    door = std::make_unique<ipc::DoorChannel>(loop, std::move(pair->first), self);
    shard->add_channel(std::move(pair->second));
  }
  void run() {
    for (int i = 0; i < 12; ++i) loop.poll();
  }
  void wait(base::Milliseconds time) {
    clock.advance(time);
    run();
  }
  FakeServer& serve(const std::string& name, const std::string& prefix, const std::vector<std::string>& tools) {
    FakeServer& server = servers.emplace_back(name, prefix);
    server.set_tools(tools);
    std::vector<mcp::ServerSlot> slots;
    slots.reserve(servers.size());
    for (FakeServer& one : servers) slots.push_back({.server = &one, .name = one.name()});
    shard->set_servers(std::move(slots));
    return server;
  }
  // All servers so far, with these isolations in their order (the others are shared).
  void isolate(const std::vector<mcp::Isolation>& isolations) {
    std::vector<mcp::ServerSlot> slots;
    for (FakeServer& one : servers) {
      const std::size_t index = slots.size();
      slots.push_back({.server = &one,
                       .isolation = index < isolations.size() ? isolations[index] : mcp::Isolation::shared,
                       .name = one.name()});
    }
    shard->set_servers(std::move(slots));
  }

  // ---- requests
  struct Ask {
    ipc::Route route = ipc::Route::mcp;
    ipc::Method method = ipc::Method::post;
    std::string session = {};
    std::string version = {};
    std::string target = {};
    std::string last_event = {};
    std::vector<std::pair<ipc::RequestField, std::string>> fields = {};
    std::string mcp_method = {}, mcp_name = {};
    std::uint32_t uid = 0;  // 0: over TCP
    bool accepts_json = true, accepts_events = true;
    bool reads = true;
    std::optional<std::uint16_t> listener = {};  // absent: the one that serves such a route
  };
  static constexpr std::uint16_t kAdminListener = 9;
  DoorStream& send(std::string_view body, const Ask& ask) {
    DoorStream& stream = open(body, ask, !body.empty());
    if (!body.empty()) door->end(stream.stream);
    run();
    return stream;
  }
  DoorStream& open(std::string_view body, const Ask& ask, bool has_body) {
    DoorStream& stream = streams.emplace_back();
    stream.channel = door.get();
    stream.reads = ask.reads;
    ipc::Open open;
    open.route = ask.route;
    open.method = ask.method;
    open.listener = ask.listener.value_or(ask.route == ipc::Route::admin ? kAdminListener : 0);
    if (ask.uid == 0) {
      open.peer.kind = ipc::Peer::Kind::tcp;
      open.peer.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
      open.peer.port = 5555;
    } else {
      open.peer.uid = ask.uid;
      open.peer.pid = 77;
    }
    open.accepts_json = ask.accepts_json;
    open.accepts_event_stream = ask.accepts_events;
    open.has_body = has_body;
    open.first_body = body;
    if (!ask.session.empty()) open.fields.emplace_back(ipc::RequestField::session_id, ask.session);
    if (!ask.version.empty()) open.fields.emplace_back(ipc::RequestField::protocol_version, ask.version);
    if (!ask.mcp_method.empty()) open.fields.emplace_back(ipc::RequestField::mcp_method, ask.mcp_method);
    if (!ask.mcp_name.empty()) open.fields.emplace_back(ipc::RequestField::mcp_name, ask.mcp_name);
    if (!ask.last_event.empty()) open.fields.emplace_back(ipc::RequestField::last_event_id, ask.last_event);
    for (const auto& [field, value] : ask.fields) open.fields.emplace_back(field, value);
    if (!ask.target.empty()) open.fields.emplace_back(ipc::RequestField::target, ask.target);
    stream.stream = door->open(open, stream);
    return stream;
  }
  DoorStream& post(std::string_view body, const std::string& session = {}) { return send(body, {.session = session}); }
  DoorStream& get(const std::string& session) { return send({}, {.method = ipc::Method::get, .session = session}); }
  // A session at that version; its id.
  std::string initialize(std::string_view version = "2025-11-25", std::uint32_t uid = 0,
                         const std::string& capabilities = "{}") {
    DoorStream& stream =
        send(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":")" + std::string(version) +
                 R"(","capabilities":)" + capabilities + R"(,"clientInfo":{}}})",
             {.uid = uid});
    return stream.field(ipc::ResponseField::session_id);
  }
  DoorStream& lines(std::string_view first) {
    DoorStream& stream = open(first, {.route = ipc::Route::lines, .uid = 1000}, true);
    run();
    return stream;
  }
  void more(DoorStream& stream, std::string_view bytes) {
    door->body(stream.stream, bytes);
    run();
  }

  // ---- what is left behind
  std::vector<std::string> audit_lines() const {
    std::string text(static_cast<std::size_t>(::lseek(audit_file_.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(audit_file_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    std::vector<std::string> lines;
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
      lines.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return lines;
  }
  // True when one audit line holds all of these texts.
  bool audited(std::initializer_list<std::string_view> parts) const {
    for (const std::string& line : audit_lines()) {
      bool all = true;
      for (const std::string_view part : parts) all = all && line.find(part) != std::string::npos;
      if (all) return true;
    }
    return false;
  }
  std::uint64_t refusals(base::Reason reason) const { return shard->core().metrics.refusals(reason); }

  base::FakeClock clock;
  io::Loop loop{clock};
  telemetry::Registry registry;
  audit::Log audit{{.path = "memory", .strict = false, .file_bytes = 64U << 20}, clock, 500, [] {}};
  Common common{mcp::CursorSeal("a key of the test")};
  std::deque<FakeServer> servers;
  std::unique_ptr<Shard> shard;
  std::unique_ptr<ipc::DoorChannel> door;
  std::deque<DoorStream> streams;
  std::vector<ipc::AdminRequest> admin_requests;
  int drained_count = 0;
  std::vector<FakeServer*> own;    // made for a session or principal, in their order; some may be gone
  std::vector<std::string> ended;  // of those, by name

 private:
  void on_room() override {}
  void on_closed(Error) override {}
  void admin(const ipc::AdminRequest& request) override { admin_requests.push_back(request); }
  void drained() override { ++drained_count; }
  std::unique_ptr<upstream::OwnServer> make(const upstream::InstanceOrder& order,
                                            upstream::Server::Observer& observer) override {
    for (const FakeServer& entry : servers) {
      if (entry.name() != order.entry) continue;
      auto made = std::make_unique<FakeServer>(entry.name(), entry.prefix());
      made->order = order;
      made->observer = &observer;
      made->ended_list = &ended;
      own.push_back(made.get());
      return made;
    }
    return nullptr;
  }

  base::Limits limits_;
  os::Fd audit_file_{::memfd_create("audit", MFD_CLOEXEC)};
  os::Fd log_file_{::memfd_create("log", MFD_CLOEXEC)};
  base::Logger log_{log_file_.get(), base::Logger::Format::json, "test", clock};
};

inline std::string tool(std::string_view name) {
  return R"({"name":")" + std::string(name) + R"(","inputSchema":{"type":"object"}})";
}
inline std::string call(std::string_view id, std::string_view name, std::string_view arguments = "{}") {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":"tools/call","params":{"name":")" +
         std::string(name) + R"(","arguments":)" + std::string(arguments) + "}}";
}

}  // namespace clawql::engine::line::testing_support
