// For tests: a StdioServer whose process the test plays.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/upstream/fake_process.hpp"
#include "engine/upstream/stdio_server.hpp"
#include "json/writer.hpp"

namespace clawql::engine::upstream::testing_support {

// What a caller of the server sees, and that nothing is called after the end.
class RecordingSink final : public CallSink {
 public:
  void on_response(const json::Document& message) override {
    EXPECT_FALSE(over) << "called after its end";
    over = true;
    response = std::string(message.text());
    if (then) then();
  }
  void on_notification(const json::Document& message) override {
    EXPECT_FALSE(over) << "called after its end";
    notifications.emplace_back(message.text());
  }
  void on_failure(const base::Refusal& refusal) override {
    EXPECT_FALSE(over) << "called after its end";
    over = true;
    failure = refusal;
    if (then) then();
  }
  void on_request_refused(std::string_view feature) override {
    EXPECT_FALSE(over) << "called after its end";
    refused.emplace_back(feature);
    if (then) then();
  }
  bool over = false;
  std::string response;
  std::optional<base::Refusal> failure;
  std::vector<std::string> notifications, refused;
  std::function<void()> then;
};

class RecordingObserver final : public Server::Observer {
 public:
  void on_offer_changed(Server&) override { ++offer_changed; }
  void on_settled(Server&) override { ++settled; }
  void on_notification(Server&, const json::Document& message) override { stray.emplace_back(message.text()); }
  void on_request(Server&, const json::Document& message) override { requests.emplace_back(message.text()); }
  int offer_changed = 0, settled = 0;
  std::vector<std::string> stray, requests;
};

inline std::string answer(std::uint64_t id, std::string_view result = "{}") {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"result":)" + std::string(result) + "}";
}

inline std::string error(std::uint64_t id, std::int64_t code, std::string_view message = "no") {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"error":{"code":)" + std::to_string(code) +
         R"(,"message":")" + std::string(message) + R"("}})";
}

inline std::string notification(std::string_view method, std::string_view params = "{}") {
  return R"({"jsonrpc":"2.0","method":")" + std::string(method) + R"(","params":)" + std::string(params) + "}";
}

inline std::string tool(std::string_view name) {
  return R"({"name":")" + std::string(name) + R"(","inputSchema":{"type":"object"}})";
}

inline const std::string kCapabilities = R"({"tools":{"listChanged":true},"logging":{}})";

class StdioServerRig : public testing::Test {
 protected:
  StdioServerRig() { make(); }

  void make() {
    server.reset();
    server = std::make_unique<StdioServer>(StdioServer::Parts{loop, launcher, observer, log, metrics, instances},
                                           settings, limits, role);
  }
  // Lets everything happen that is ready, then what became ready by it.
  void turn() {
    while (loop.poll() != 0) {
    }
  }
  void pass(base::Milliseconds time) {
    clock.advance(time);
    turn();
  }
  std::vector<std::string> heard() {
    turn();
    return process.heard();
  }
  void say(std::string_view line) {
    process.say(line);
    turn();
  }
  void start() {
    server->wake();
    server->started(process.spawn(++incarnation));
  }
  // The id in a line that the server heard.
  static std::uint64_t id_in(const std::string& line) {
    const auto document = json::Document::parse(line, {});
    return document ? document->root().find("id").uint64().value_or(0) : 0;
  }
  // The only line that the server heard, which asks for this.
  std::string only_request(std::string_view method) {
    const auto lines = heard();
    EXPECT_THAT(lines, testing::SizeIs(1));
    if (lines.empty()) return {};
    EXPECT_THAT(lines.back(), testing::HasSubstr(R"("method":")" + std::string(method) + "\""));
    return lines.back();
  }
  // The server's answer to the only request.
  void answer_only(std::string_view method, std::string_view result) {
    say(answer(id_in(only_request(method)), result));
  }
  void refuse_only(std::string_view method, std::int64_t code = -32601) {
    say(error(id_in(only_request(method)), code));
  }
  // What a server of the handshake era does that knows no server/discover.
  void answer_initialize(std::string_view version = "2025-11-25", const std::string& capabilities = kCapabilities) {
    refuse_only("server/discover");
    answer_only("initialize", R"({"protocolVersion":")" + std::string(version) + R"(","capabilities":)" + capabilities +
                                  R"(,"serverInfo":{"name":"fake","version":"7"}})");
  }
  void answer_discover(const std::string& capabilities = kCapabilities) {
    answer_only("server/discover", R"({"supportedVersions":["2026-07-28"],"capabilities":)" + capabilities +
                                       R"(,"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":)"
                                       R"({"name":"fake","version":"8"}}})");
  }
  void answer_list(std::string_view result) {
    const auto lines = heard();
    ASSERT_FALSE(lines.empty());
    EXPECT_THAT(lines.back(), testing::HasSubstr(R"("method":"tools/list")"));
    say(answer(id_in(lines.back()), result));
  }
  void make_ready(const std::string& tools = tool("echo")) {
    start();
    answer_initialize();
    answer_list(R"({"tools":[)" + tools + "]}");
    ASSERT_EQ(server->state(), State::ready);
    heard();
  }
  const ItemList& list(ListKind kind = ListKind::tools) const { return server->offer()->list(kind); }
  // A client's call, as the line of the engine would make it.
  std::optional<CallId> call(CallSink& sink, std::string_view id = "1", std::string_view token = "",
                             std::string_view meta = "") {
    std::string text = R"({"jsonrpc":"2.0","id":)";
    text.append(id).append(R"(,"method":"tools/call","params":{"name":"files__echo","arguments":{"n":1e400})");
    if (!token.empty()) text.append(R"(,"_meta":{"progressToken":)").append(token).append("}");
    if (!meta.empty()) text.append(R"(,"_meta":)").append(meta);
    text += "}}";
    const auto document = json::Document::parse(text, {});
    OutgoingRequest request{.text = text,
                            .id = document->root().find("id").raw(),
                            .progress_token = {},
                            .edits = {},
                            .wants_log = meta.find("logLevel") != std::string_view::npos,
                            .modern = meta.find("protocolVersion") != std::string_view::npos,
                            .principal = "uid:1"};
    const auto params = document->root().find("params");
    request.edits.emplace_back(params.find("name").raw(), R"("echo")");
    if (const auto value = params.find("_meta").find("progressToken")) request.progress_token = value.raw();
    return server->call(request, sink);
  }
  void die(std::string how = "killed by SIGKILL", std::uint64_t retry_ms = 250) {
    process.die();
    server->exited({.name = "files", .incarnation = incarnation, .how = std::move(how), .retry_ms = retry_ms});
    turn();
  }

  base::FakeClock clock;
  io::Loop loop{clock};
  base::Logger log{-1, base::Logger::Format::json, "test", clock};
  telemetry::Registry metrics;
  FakeLauncher launcher;
  FakeProcess process;
  RecordingObserver observer;
  InstanceNumbers instances;
  ipc::ServerSettings settings{
      .name = "files", .prefix = "files__", .tools = {}, .eager = true, .call_seconds = 0, .fingerprint = "f1"};
  base::Limits limits;
  Role role;
  std::uint64_t incarnation = 0;
  std::unique_ptr<StdioServer> server;
};

}  // namespace clawql::engine::upstream::testing_support
