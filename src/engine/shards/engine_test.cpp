// Two shards of one process with their threads, a door at the other end of each channel, and servers that the test
// plays. Time is the system's: threads that wait for each other cannot stand still.
#include "engine/shards/engine.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <deque>
#include <map>
#include <set>

#include "engine/line/line_rig.hpp"
#include "engine/upstream/fake_process.hpp"
#include "json/document.hpp"

namespace clawql::engine::shards {
namespace {

using line::testing_support::DoorStream;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using upstream::testing_support::FakeProcess;

// A server name that this shard of two owns.
std::string name_of_shard(std::uint32_t shard, char first = 'a') {
  for (char c = first; c <= 'z'; ++c)
    if (upstream::shard_of(std::string("server-") + c, 2) == shard) return std::string("server-") + c;
  return {};
}

std::string member(std::string_view message, std::string_view key) {
  const auto document = json::Document::parse(message, {});
  if (!document || !document->root().find(key)) return {};
  return std::string(document->root().find(key).raw());
}

class EngineTest : public testing::Test, protected Engine::Supervisor, private ipc::DoorChannel::Handler {
 protected:
  ~EngineTest() override {
    engine.reset();  // before the loop of its first shard
  }

  void make(std::uint32_t shards, const std::vector<std::string>& names) {
    settings.shards = shards;
    settings.listeners = {{.id = 0, .kind = "unix", .label = {}}, {.id = 9, .kind = "admin", .label = {}}};
    for (const std::string& name : names)
      settings.servers.push_back({.name = name, .prefix = name + "__", .eager = true, .fingerprint = "1"});
    auto made = Engine::make({loop, log, registry, *this}, settings);
    ASSERT_TRUE(made) << made.error().message;
    engine = std::move(*made);
    engine->set_audit_file(os::Fd(::dup(audit_file.get())));
    for (std::uint32_t shard = 0; shard < shards; ++shard) connect(shard);
    engine->start();
  }
  void connect(std::uint32_t shard) {
    auto pair = ipc::make_channel_pair();
    ipc::DoorChannel::Handler& self = *this;
    if (doors.size() <= shard) doors.resize(shard + 1);
    doors[shard] = std::make_unique<ipc::DoorChannel>(loop, std::move(pair->first), self);
    ASSERT_TRUE(engine->add_channel(shard, std::move(pair->second)));
  }

  // Turns the first loop until `check` holds; the other loops turn by themselves.
  template <class Check>
  [[nodiscard]] bool until(Check check) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!check()) {
      loop.poll();
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  // ---- a server, played
  void serve(const std::string& name) {
    ASSERT_TRUE(until([&] { return std::ranges::count(asked, "start " + name) > 0; }));
    engine->server_started(name, processes[name].spawn(++incarnation));
    answer_own(name, "{}");  // server/discover: it does not speak 2026-07-28
    answer_own(
        name,
        R"({"protocolVersion":"2025-11-25","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"s","version":"1"}})");
    answer_own(name, R"({"tools":[{"name":"echo","inputSchema":{"type":"object"}}]})");
  }
  // The next request that the server hears; notifications are kept apart.
  std::string next_request(const std::string& name) {
    std::string found;
    EXPECT_TRUE(until([&] {
      for (std::string& line : processes[name].heard()) heard[name].push_back(std::move(line));
      while (!heard[name].empty() && found.empty()) {
        std::string line = std::move(heard[name].front());
        heard[name].pop_front();
        (member(line, "id").empty() ? notifications[name] : requests).push_back(line);
        if (!member(line, "id").empty()) found = line;
      }
      return !found.empty();
    }));
    return found;
  }
  void answer_own(const std::string& name, const std::string& result) { answer(name, next_request(name), result); }
  void answer(const std::string& name, const std::string& request, const std::string& result) {
    processes[name].say(R"({"jsonrpc":"2.0","id":)" + member(request, "id") + R"(,"result":)" + result + "}");
  }
  bool told(const std::string& name, std::string_view word) {
    return until([&] {
      for (std::string& line : processes[name].heard()) heard[name].push_back(std::move(line));
      for (const std::string& line : heard[name])
        if (line.find(word) != std::string::npos) return true;
      return false;
    });
  }

  // ---- a client
  DoorStream& post(std::uint32_t shard, std::string_view body, const std::string& session = {},
                   ipc::Route route = ipc::Route::mcp, std::string_view target = {}) {
    DoorStream& stream = streams.emplace_back();
    stream.channel = doors[shard].get();
    ipc::Open open;
    open.route = route;
    open.listener = route == ipc::Route::admin ? 9 : 0;
    open.method = body.empty() ? ipc::Method::get : ipc::Method::post;
    open.peer.uid = 1000;
    open.accepts_json = open.accepts_event_stream = true;
    open.has_body = !body.empty();
    open.first_body = body;
    if (!session.empty()) open.fields.emplace_back(ipc::RequestField::session_id, session);
    if (!target.empty()) open.fields.emplace_back(ipc::RequestField::target, target);
    stream.stream = doors[shard]->open(open, stream);
    if (open.has_body) doors[shard]->end(stream.stream);
    return stream;
  }
  DoorStream& ask(std::uint32_t shard, std::string_view body, const std::string& session = {}) {
    DoorStream& stream = post(shard, body, session);
    EXPECT_TRUE(until([&] { return stream.ended; })) << body;
    return stream;
  }
  std::string open_session(std::uint32_t shard) {
    return ask(shard, R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
                      R"("capabilities":{},"clientInfo":{}}})")
        .field(ipc::ResponseField::session_id);
  }
  static std::string call(std::string_view id, const std::string& tool, std::string_view arguments = "{}") {
    return line::testing_support::call(id, tool, arguments);
  }
  // Until the tools of all servers are listed in this session.
  void wait_for_tools(std::uint32_t shard, const std::string& session, std::string_view wanted) {
    ASSERT_TRUE(until([&] {
      return ask(shard, R"({"jsonrpc":"2.0","id":"l","method":"tools/list"})", session).body.find(wanted) !=
             std::string::npos;
    }));
  }
  std::vector<std::string> audit_lines(std::string_view word) const {
    std::string text(static_cast<std::size_t>(::lseek(audit_file.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(audit_file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    std::vector<std::string> lines;
    for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
      if (text.substr(begin, end - begin).find(word) != std::string::npos)
        lines.push_back(text.substr(begin, end - begin));
    return lines;
  }

  // Engine::Supervisor
  void start(std::string_view server, std::uint64_t /*instance*/) override {
    asked.push_back("start " + std::string(server));
  }
  void stop(std::string_view server, std::uint64_t /*instance*/) override {
    asked.push_back("stop " + std::string(server));
  }
  void restart(std::string_view server, std::uint64_t /*instance*/) override {
    asked.push_back("restart " + std::string(server));
  }
  void admin(const ipc::AdminRequest& request) override { admin_requests.push_back(request); }
  void drained() override { ++drained_count; }
  void need_audit_file() override { ++files_wanted; }

  base::SystemClock clock;
  io::Loop loop{clock};
  os::Fd audit_file{::memfd_create("audit", MFD_CLOEXEC)};
  os::Fd log_file{::memfd_create("log", MFD_CLOEXEC)};
  base::Logger log{log_file.get(), base::Logger::Format::json, "test", clock};
  telemetry::Registry registry;
  ipc::EngineSettings settings;
  std::map<std::string, FakeProcess> processes;
  std::map<std::string, std::deque<std::string>> heard;
  std::map<std::string, std::vector<std::string>> notifications;
  std::vector<std::string> requests, asked;
  std::vector<ipc::AdminRequest> admin_requests;
  std::uint64_t incarnation = 0;
  int drained_count = 0, files_wanted = 0;
  std::deque<DoorStream> streams;
  std::unique_ptr<Engine> engine;
  std::vector<std::unique_ptr<ipc::DoorChannel>> doors;

 private:
  void on_room() override {}
  void on_closed(Error) override {}
};

TEST_F(EngineTest, a_session_of_either_shard_calls_the_servers_of_both) {
  const std::string first = name_of_shard(0), second = name_of_shard(1);
  make(2, {first, second});
  serve(first);
  serve(second);
  for (const std::uint32_t shard : {0U, 1U}) {
    const std::string session = open_session(shard);
    EXPECT_EQ(session.substr(0, 2), shard == 0 ? "00" : "01");
    wait_for_tools(shard, session, first + "__echo");
    wait_for_tools(shard, session, second + "__echo");
    for (const std::string& server : {first, second}) {
      DoorStream& stream = post(shard, call(R"("x")", server + "__echo", R"({"n":12345678901234567890})"), session);
      const std::string request = next_request(server);
      EXPECT_THAT(request, HasSubstr(R"("name":"echo")"));
      EXPECT_THAT(request, HasSubstr(R"({"n":12345678901234567890})"));
      answer(server, request, R"({"content":[ 1.50 ]})");
      ASSERT_TRUE(until([&] { return stream.ended; }));
      EXPECT_EQ(stream.body, R"({"jsonrpc":"2.0","id":"x","result":{"content":[ 1.50 ]}})");
    }
  }
}

TEST_F(EngineTest, equal_ids_of_clients_on_both_shards_are_told_apart) {
  const std::string server = name_of_shard(1);
  make(2, {server});
  serve(server);
  std::vector<std::string> sessions{open_session(0), open_session(1)};
  std::vector<DoorStream*> open;
  for (const std::uint32_t shard : {0U, 1U}) {
    wait_for_tools(shard, sessions[shard], server + "__echo");
    open.push_back(
        &post(shard, call("7", server + "__echo", shard == 0 ? R"({"t":"zero"})" : R"({"t":"one"})"), sessions[shard]));
  }
  const std::string one = next_request(server), other = next_request(server);
  EXPECT_NE(member(one, "id"), member(other, "id"));
  for (const std::string& request : {other, one})
    answer(server, request, request.find("zero") != std::string::npos ? R"({"t":0})" : R"({"t":1})");
  ASSERT_TRUE(until([&] { return open[0]->ended && open[1]->ended; }));
  EXPECT_EQ(open[0]->body, R"({"jsonrpc":"2.0","id":7,"result":{"t":0}})");
  EXPECT_EQ(open[1]->body, R"({"jsonrpc":"2.0","id":7,"result":{"t":1}})");
}

TEST_F(EngineTest, notifications_of_a_call_come_in_their_order_and_before_its_answer) {
  const std::string server = name_of_shard(1);
  make(2, {server});
  serve(server);
  const std::string session = open_session(0);
  wait_for_tools(0, session, server + "__echo");
  DoorStream& stream = post(0,
                            R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":")" + server +
                                R"(__echo","_meta":{"progressToken":"mine"}}})",
                            session);
  const std::string request = next_request(server);
  const auto document = json::Document::parse(request, {});
  const std::string token(document->root().find("params").find("_meta").find("progressToken").raw());
  EXPECT_NE(token, R"("mine")");
  for (int i = 1; i <= 50; ++i)
    processes[server].say(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" + token +
                          R"(,"progress":)" + std::to_string(i) + "}}");
  answer(server, request, R"({"t":"end"})");
  ASSERT_TRUE(until([&] { return stream.ended; }));
  std::size_t at = 0;
  for (int i = 1; i <= 50; ++i) {
    at = stream.body.find(R"("progressToken":"mine","progress":)" + std::to_string(i) + "}", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_NE(stream.body.find(R"("result":{"t":"end"})", at), std::string::npos);
}

TEST_F(EngineTest, a_cancelled_call_is_cancelled_at_its_owner_and_its_late_answer_is_dropped) {
  const std::string server = name_of_shard(1);
  make(2, {server});
  serve(server);
  const std::string session = open_session(0);
  wait_for_tools(0, session, server + "__echo");
  DoorStream& stream = post(0, call("5", server + "__echo"), session);
  const std::string request = next_request(server);
  ask(0, R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5,"reason":"enough"}})", session);
  ASSERT_TRUE(told(server, "notifications/cancelled"));
  answer(server, request, R"({"t":"late"})");
  DoorStream& next = post(0, call("6", server + "__echo"), session);
  answer(server, next_request(server), R"({"t":"next"})");
  ASSERT_TRUE(until([&] { return next.ended; }));
  EXPECT_THAT(next.body, HasSubstr("next"));
  EXPECT_EQ(stream.body.find("late"), std::string::npos);
}

TEST_F(EngineTest, a_server_that_dies_fails_the_calls_of_every_shard) {
  const std::string server = name_of_shard(0);
  make(2, {server});
  serve(server);
  const std::string session = open_session(1);
  wait_for_tools(1, session, server + "__echo");
  DoorStream& stream = post(1, call("5", server + "__echo"), session);
  next_request(server);
  processes[server].die();
  engine->server_exited({.name = server, .incarnation = incarnation, .how = "killed by SIGKILL", .retry_ms = 250});
  ASSERT_TRUE(until([&] { return stream.ended; }));
  EXPECT_THAT(stream.body, HasSubstr(R"("reason":"server.unavailable")"));
}

TEST_F(EngineTest, a_reload_takes_a_server_from_every_shard_and_gives_a_new_one_to_both) {
  const std::string server = name_of_shard(0), added = name_of_shard(1);
  make(2, {server});
  serve(server);
  const std::string session = open_session(1);
  wait_for_tools(1, session, server + "__echo");
  DoorStream& stream = post(1, call("5", server + "__echo"), session);
  next_request(server);
  settings.servers = {{.name = added, .prefix = added + "__", .eager = true, .fingerprint = "1"}};
  engine->apply(settings);
  ASSERT_TRUE(until([&] { return stream.ended; }));
  EXPECT_THAT(stream.body, HasSubstr(R"("reason":"server.unavailable")"));
  serve(added);
  wait_for_tools(1, session, added + "__echo");
  const std::string other = open_session(0);
  wait_for_tools(0, other, added + "__echo");
  EXPECT_THAT(ask(1, call("6", server + "__echo"), session).body, HasSubstr("error"));
}

TEST_F(EngineTest, the_audit_has_every_shards_intent_before_the_server_hears_and_the_tool_shows_both) {
  const std::string server = name_of_shard(0);
  make(2, {server});
  serve(server);
  const std::string session = open_session(1);
  wait_for_tools(1, session, server + "__echo");
  DoorStream& stream = post(1, call("5", server + "__echo", R"({"secret":"never written"})"), session);
  const std::string request = next_request(server);
  EXPECT_THAT(audit_lines(R"("intent")"), ElementsAre(HasSubstr(server)));
  answer(server, request, R"({"content":[]})");
  ASSERT_TRUE(until([&] { return stream.ended; }));
  EXPECT_EQ(audit_lines("durationUs").size(), 1U);
  const std::string shown = ask(1, call("6", "clawql__audit", R"({"operation":"list"})"), session).body;
  EXPECT_THAT(shown, AllOf(HasSubstr(server), HasSubstr("clawql")));
  EXPECT_TRUE(audit_lines("never written").empty());
}

TEST_F(EngineTest, an_answer_to_the_operator_counts_the_sessions_of_all_shards) {
  const std::string server = name_of_shard(1);
  make(2, {server});
  serve(server);
  wait_for_tools(0, open_session(0), server + "__echo");
  open_session(1);
  open_session(1);
  DoorStream& status = post(0, {}, {}, ipc::Route::admin, "/admin/status");
  ASSERT_TRUE(until([&] { return admin_requests.size() == 1; }));
  engine->admin_answer({.token = admin_requests[0].token, .ok = true, .text = "{}"});
  ASSERT_TRUE(until([&] { return status.ended; }));
  EXPECT_THAT(status.body, AllOf(HasSubstr(R"("sessions":3,"principals":1)"), HasSubstr(R"("state":"ready")"),
                                 HasSubstr(R"("server_version":"1")")))
      << "what only the owner knows is there";
}

TEST_F(EngineTest, what_exists_once_is_not_served_by_another_shard) {
  make(2, {});
  DoorStream& admin = post(1, {}, {}, ipc::Route::admin, "/admin/status");
  DoorStream& ready = post(1, {}, {}, ipc::Route::readyz);
  ASSERT_TRUE(until([&] { return admin.ended && ready.ended; }));
  EXPECT_EQ(admin.status, 404);
  EXPECT_EQ(ready.status, 404);
  EXPECT_TRUE(admin_requests.empty());
}

TEST_F(EngineTest, the_limit_of_sessions_holds_for_all_shards_together) {
  settings.limits.sessions = 3;
  make(2, {});
  EXPECT_NE(open_session(0), "");
  EXPECT_NE(open_session(1), "");
  EXPECT_NE(open_session(0), "");
  EXPECT_EQ(open_session(0), "");
  EXPECT_EQ(open_session(1), "");
}

TEST_F(EngineTest, the_least_severe_level_of_all_shards_is_asked_of_a_server) {
  const std::string server = name_of_shard(1);
  make(2, {server});
  serve(server);
  const std::string session = open_session(0), other = open_session(1);
  wait_for_tools(0, session, server + "__echo");
  ask(0, R"({"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"debug"}})", session);
  EXPECT_TRUE(told(server, R"("level":"debug")"));
  ask(1, R"({"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}})", other);
  EXPECT_FALSE(heard[server].back().find("error") != std::string::npos) << "the other shard still wants more";
}

TEST_F(EngineTest, a_full_file_is_asked_for_once_by_whichever_shard_fills_it) {
  settings.audit.file_bytes = 600;
  make(2, {});
  open_session(1);
  open_session(1);
  open_session(1);
  ASSERT_TRUE(until([&] { return files_wanted > 0; }));
  open_session(0);
  open_session(1);
  loop.poll();
  EXPECT_EQ(files_wanted, 1);
  engine->set_audit_file(os::Fd(::memfd_create("next", MFD_CLOEXEC)));
  open_session(0);
  open_session(0);
  open_session(0);
  EXPECT_TRUE(until([&] { return files_wanted == 2; }));
}

TEST_F(EngineTest, it_is_drained_when_all_shards_are) {
  make(2, {});
  open_session(1);
  engine->drain();
  ASSERT_TRUE(until([&] { return drained_count > 0; }));
  EXPECT_EQ(drained_count, 1);
}

TEST_F(EngineTest, it_ends_while_calls_are_under_way_in_both_directions) {
  const std::string first = name_of_shard(0), second = name_of_shard(1);
  make(2, {first, second});
  serve(first);
  serve(second);
  for (const std::uint32_t shard : {0U, 1U}) {
    const std::string session = open_session(shard);
    wait_for_tools(shard, session, first + "__echo");
    wait_for_tools(shard, session, second + "__echo");
    for (int i = 0; i < 20; ++i)
      post(shard, call(std::to_string(i), (i % 2 == 0 ? first : second) + "__echo"), session);
  }
  next_request(first);
  next_request(second);
  engine.reset();
}

TEST_F(EngineTest, one_shard_has_no_thread_and_answers_in_the_turn_of_the_call) {
  make(1, {});
  const std::string session = open_session(0);
  DoorStream& stream = post(0, call("1", "clawql__cache", R"({"operation":"set","key":"a","value":"b"})"), session);
  for (int i = 0; i < 4 && !stream.ended; ++i) loop.poll();
  EXPECT_TRUE(stream.ended);
}

}  // namespace
}  // namespace clawql::engine::shards
