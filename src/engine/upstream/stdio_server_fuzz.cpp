// Hostile bytes from a server, through the whole path: lines, JSON, shapes, handshake, list of tools, answers. The
// first byte of the input chooses how far the server behaved before it turned. Checked: nobody is called after its end,
// and an answer reaches only the call whose id it bears.
#include <algorithm>
#include <cstdint>

#include "base/check.hpp"
#include "engine/upstream/fake_process.hpp"
#include "engine/upstream/stdio_server.hpp"

namespace clawql::engine::upstream {
namespace {

class CheckingSink final : public CallSink {
 public:
  void on_response(const json::Document& message) override {
    CLAWQL_CHECK(!over);
    CLAWQL_CHECK(message.root().find("id").uint64() == id);
    over = true;
  }
  void on_notification(const json::Document& message) override {
    CLAWQL_CHECK(!over);
    const json::Value token = message.root().find("params").find("progressToken");
    CLAWQL_CHECK(!message.root().find("method").equals("notifications/progress") || token.uint64() == id);
  }
  void on_failure(const base::Refusal&) override {
    CLAWQL_CHECK(!over);
    over = true;
  }
  CallId id = 0;
  bool over = false;
};

class QuietObserver final : public Server::Observer {
 public:
  void on_offer_changed(Server& server) override {
    for (const ListKind kind : kAllLists) {
      for (const Item& item : server.offer()->list(kind)) {
        CLAWQL_CHECK(!item.key.empty() && item.key.size() <= shape_of(kind).key_bytes);
        CLAWQL_CHECK(item.json.size() >= item.key_offset + item.key_length);
        CLAWQL_CHECK(item.json[item.key_offset] == '"');
      }
    }
  }
  void on_settled(Server&) override {}
  void on_notification(Server&, const json::Document&) override {}
  void on_request(Server& server, const json::Document& message) override {
    const json::Value method = message.root().find("method");
    CLAWQL_CHECK(method.equals("sampling/createMessage") || method.equals("roots/list"));
    CLAWQL_CHECK(static_cast<StdioServer&>(server).role().kind == Role::Kind::session);
  }
};

void turn(io::Loop& loop) {
  while (loop.poll() != 0) {
  }
}

void call(StdioServer& server, CheckingSink& sink) {
  const std::string_view text =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1}}})";
  const auto id = server.call({.text = text,
                               .id = text.substr(text.find("1,"), 1),
                               .progress_token = text.substr(text.rfind('1'), 1),
                               .edits = {},
                               .principal = "uid:1"},
                              sink);
  if (id) sink.id = *id;
}

// How well the server behaved at first. Ids are ours: 1 (the waiting call), 2 (server/discover), 3 (initialize, in the
// handshake era), then the four lists, then (in the modern era) the listen.
void behave(testing_support::FakeProcess& process, io::Loop& loop, std::uint8_t manner) {
  const std::string_view capabilities =
      R"({"tools":{"listChanged":true},"resources":{"subscribe":true},"prompts":{},"logging":{}})";
  const auto say = [&](int id, const std::string& rest) {
    process.say(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + "," + rest + "}");
    turn(loop);
  };
  const bool modern = (manner & 8U) != 0;
  if ((manner & 1U) == 0) return;
  say(2, modern ? R"("result":{"supportedVersions":["2026-07-28"],"capabilities":)" + std::string(capabilities) + "}"
                : R"("error":{"code":-32601,"message":"x"})");
  int next = 3;
  if (!modern)
    say(next++, R"("result":{"protocolVersion":")" + std::string((manner & 4U) != 0 ? "2025-03-26" : "2025-11-25") +
                    R"(","capabilities":)" + std::string(capabilities) + "}");
  if ((manner & 2U) == 0) return;
  for (const int end = next + 4; next < end; ++next)
    say(next, R"("result":{"tools":[{"name":"a","inputSchema":{"type":"object"}}],"resources":[],)"
              R"("resourceTemplates":[],"prompts":[]})");
  if (modern)
    process.say(R"({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":)"
                R"({"io.modelcontextprotocol/subscriptionId":)" +
                std::to_string(next) + "}}}");
}

Role role_of(std::uint8_t manner) {
  const auto kind = (manner & 8U) != 0    ? Role::Kind::modern
                    : (manner & 16U) != 0 ? Role::Kind::session
                                          : Role::Kind::shared;
  return {.kind = kind, .instance = 0, .client_capabilities = R"({"sampling":{},"roots":{}})"};
}

void run(std::uint8_t manner, std::string_view hostile) {
  base::FakeClock clock;
  io::Loop loop{clock};
  base::Logger log{-1, base::Logger::Format::json, "fuzz", clock};
  telemetry::Registry metrics;
  testing_support::FakeLauncher launcher;
  QuietObserver observer;
  InstanceNumbers instances;
  base::Limits limits;
  limits.server_message = 64U << 10;
  limits.items_server = 20;
  StdioServer server({loop, launcher, observer, log, metrics, instances}, {.name = "fuzz", .prefix = "fuzz__"}, limits,
                     role_of(manner));
  server.subscribe("test://a");
  testing_support::FakeProcess process;
  CheckingSink first, second;
  call(server, first);
  server.started(process.spawn(1));
  behave(process, loop, manner);
  turn(loop);
  call(server, second);
  turn(loop);
  constexpr std::size_t kPiece = 4096;
  for (; !hostile.empty(); hostile.remove_prefix(std::min(kPiece, hostile.size()))) {
    process.write_all(process.output, hostile.substr(0, kPiece));
    turn(loop);
  }
  clock.advance(base::Microseconds(2'000'000));  // a list that changed is fetched again
  turn(loop);
  process.die();
  server.exited({.name = "fuzz", .incarnation = 1, .how = "killed by SIGKILL", .retry_ms = 0});
  turn(loop);
  if (server.state() == State::failed) CLAWQL_CHECK(first.over && second.over);
  server.retire();
  CLAWQL_CHECK(first.over && second.over);
}

}  // namespace
}  // namespace clawql::engine::upstream

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  clawql::engine::upstream::run(data[0], std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
