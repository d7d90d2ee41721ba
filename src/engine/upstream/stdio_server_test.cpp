#include "engine/upstream/stdio_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "engine/upstream/fake_process.hpp"
#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

using base::Reason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

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
  bool over = false;
  std::string response;
  std::optional<base::Refusal> failure;
  std::vector<std::string> notifications;
  std::function<void()> then;
};

class RecordingObserver final : public Server::Observer {
 public:
  void on_tools_changed(Server&) override { ++tools_changed; }
  void on_settled(Server&) override { ++settled; }
  void on_stray_log(Server&, const json::Document& message) override { stray.emplace_back(message.text()); }
  int tools_changed = 0, settled = 0;
  std::vector<std::string> stray;
};

std::string answer(std::uint64_t id, std::string_view result = "{}") {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"result":)" + std::string(result) + "}";
}

std::string tool(std::string_view name) {
  return R"({"name":")" + std::string(name) + R"(","inputSchema":{"type":"object"}})";
}

const std::string kCapabilities = R"({"tools":{"listChanged":true},"logging":{}})";

class StdioServerTest : public testing::Test {
 protected:
  StdioServerTest() { make(); }

  void make() {
    server.reset();
    server =
        std::make_unique<StdioServer>(StdioServer::Parts{loop, launcher, observer, log, metrics}, settings, limits);
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
  void answer_initialize(std::string_view version = "2025-11-25", const std::string& capabilities = kCapabilities) {
    const auto lines = heard();
    ASSERT_THAT(lines, SizeIs(1));
    EXPECT_THAT(lines[0], HasSubstr(R"("method":"initialize")"));
    say(answer(id_in(lines[0]), R"({"protocolVersion":")" + std::string(version) + R"(","capabilities":)" +
                                    capabilities + R"(,"serverInfo":{"name":"fake","version":"7"}})"));
  }
  void answer_list(std::string_view result) {
    const auto lines = heard();
    ASSERT_FALSE(lines.empty());
    EXPECT_THAT(lines.back(), HasSubstr(R"("method":"tools/list")"));
    say(answer(id_in(lines.back()), result));
  }
  void make_ready(const std::string& tools = tool("echo")) {
    start();
    answer_initialize();
    answer_list(R"({"tools":[)" + tools + "]}");
    ASSERT_EQ(server->state(), State::ready);
    heard();
  }
  // A client's call, as the line of the engine would make it.
  std::optional<CallId> call(CallSink& sink, std::string_view id = "1", std::string_view token = "") {
    std::string text = R"({"jsonrpc":"2.0","id":)";
    text.append(id).append(R"(,"method":"tools/call","params":{"name":"files__echo","arguments":{"n":1e400})");
    if (!token.empty()) text.append(R"(,"_meta":{"progressToken":)").append(token).append("}");
    text += "}}";
    const auto document = json::Document::parse(text, {});
    OutgoingRequest request{
        .text = text, .id = document->root().find("id").raw(), .progress_token = {}, .edits = {}, .principal = "uid:1"};
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
  testing_support::FakeLauncher launcher;
  testing_support::FakeProcess process;
  RecordingObserver observer;
  ipc::ServerSettings settings{
      .name = "files", .prefix = "files__", .tools = {}, .eager = true, .call_seconds = 0, .fingerprint = "f1"};
  base::Limits limits;
  std::uint64_t incarnation = 0;
  std::unique_ptr<StdioServer> server;
};

// ---- start

TEST_F(StdioServerTest, is_ready_after_the_handshake_and_all_pages_of_its_list) {
  EXPECT_EQ(server->state(), State::stopped);
  start();
  EXPECT_THAT(launcher.asked, ElementsAre("start files"));
  EXPECT_EQ(server->state(), State::starting);
  const auto first = heard();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0], R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
                      R"("capabilities":{},"clientInfo":{"name":"clawql","version":")" CLAWQL_VERSION R"("}}})");
  say(answer(1, R"({"protocolVersion":"2025-06-18","capabilities":)" + kCapabilities +
                    R"(,"serverInfo":{"name":"fake","version":"7"}})"));
  const auto second = heard();
  ASSERT_THAT(second, SizeIs(2));
  EXPECT_EQ(second[0], R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  EXPECT_EQ(second[1], R"({"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}})");
  say(answer(2, R"({"tools":[)" + tool("a") + R"(],"nextCursor":"p\u0032"})"));
  EXPECT_EQ(server->state(), State::starting);
  const auto third = heard();
  ASSERT_THAT(third, SizeIs(1));
  EXPECT_EQ(third[0], R"({"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":"p\u0032"}})");
  say(answer(3, R"({"tools":[)" + tool("b") + "]}"));
  EXPECT_EQ(server->state(), State::ready);
  ASSERT_THAT(*server->tools(), SizeIs(2));
  EXPECT_EQ((*server->tools())[1].name, "b");
  EXPECT_EQ(observer.settled, 1);
  EXPECT_EQ(observer.tools_changed, 1);
  const Description described = server->describe();
  EXPECT_EQ(described.server_name, "fake");
  EXPECT_EQ(described.server_version, "7");
  EXPECT_EQ(described.protocol_version, "2025-06-18");
  EXPECT_EQ(described.tools, 2U);
  EXPECT_THAT(described.not_offered, ElementsAre("sampling", "elicitation", "roots"));
}

TEST_F(StdioServerTest, takes_every_handshake_revision_and_refuses_all_others) {
  for (const auto* version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
    make();
    start();
    answer_initialize(version);
    answer_list(R"({"tools":[]})");
    EXPECT_EQ(server->state(), State::ready) << version;
  }
  for (const auto* version : {"2026-07-28", "2024-10-07", "", "x\\u001b[31m"}) {
    make();
    launcher.asked.clear();
    start();
    answer_initialize(version);
    EXPECT_EQ(server->state(), State::failed) << version;
    EXPECT_THAT(server->describe().reason, HasSubstr("protocol version"));
    EXPECT_THAT(launcher.asked, ElementsAre("start files", "stop files"));
  }
}

TEST_F(StdioServerTest, a_refused_or_broken_handshake_fails_with_the_reason_and_stays_so_after_the_exit) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no license"}})", "error -32603: no license"},
      {R"({"jsonrpc":"2.0","id":1,"result":7})", "result that is no object"},
      {R"({"jsonrpc":"2.0","id":1,"result":{}})", "protocol version"}};
  for (const auto& [line, reason] : cases) {
    make();
    observer.settled = 0;
    start();
    say(line);
    EXPECT_EQ(server->state(), State::failed);
    EXPECT_THAT(server->describe().reason, HasSubstr(reason));
    EXPECT_EQ(observer.settled, 1);
    die("exited with status 0", 0);
    EXPECT_EQ(server->state(), State::failed);
    EXPECT_THAT(server->describe().reason, HasSubstr(reason));
  }
}

TEST_F(StdioServerTest, a_server_without_tools_is_ready_with_none) {
  start();
  answer_initialize("2025-11-25", "{}");
  EXPECT_EQ(server->state(), State::ready);
  EXPECT_THAT(*server->tools(), IsEmpty());
  EXPECT_FALSE(server->has_logging());
}

TEST_F(StdioServerTest, a_list_waits_five_seconds_from_the_first_start_and_no_more) {
  EXPECT_FALSE(server->worth_waiting_for());
  start();
  EXPECT_TRUE(server->worth_waiting_for());
  pass(base::Milliseconds(4'900));
  EXPECT_TRUE(server->worth_waiting_for());
  pass(base::Milliseconds(200));
  EXPECT_FALSE(server->worth_waiting_for());
  EXPECT_EQ(server->state(), State::starting);
}

TEST_F(StdioServerTest, a_command_that_cannot_be_started_fails_every_waiting_call_and_every_later_one) {
  RecordingSink early, late;
  EXPECT_TRUE(call(early));
  EXPECT_THAT(launcher.asked, ElementsAre("start files"));
  server->exited(
      {.name = "files", .incarnation = 1, .how = "could not be started: npx: No such file", .retry_ms = 250});
  ASSERT_TRUE(early.failure);
  EXPECT_EQ(early.failure->reason, Reason::server_unavailable);
  EXPECT_THAT(early.failure->for_operator, HasSubstr("npx: No such file"));
  EXPECT_EQ(call(late), std::nullopt);
  ASSERT_TRUE(late.failure);
  EXPECT_EQ(late.failure->reason, Reason::server_unavailable);
}

TEST_F(StdioServerTest, a_handshake_that_takes_too_long_ends_in_a_restart) {
  limits.call_seconds = 20;
  make();
  start();
  pass(base::Milliseconds(19'000));
  EXPECT_EQ(server->state(), State::starting);
  pass(base::Milliseconds(1'500));
  EXPECT_EQ(server->state(), State::failed);
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
}

// ---- calls

TEST_F(StdioServerTest, a_call_goes_upstream_with_our_id_and_every_other_byte_as_it_came) {
  make_ready();
  RecordingSink sink;
  const auto id = call(sink, R"("cli\u0065nt")");
  ASSERT_TRUE(id);
  EXPECT_THAT(heard(), ElementsAre(R"({"jsonrpc":"2.0","id":)" + std::to_string(*id) +
                                   R"(,"method":"tools/call","params":{"name":"echo","arguments":{"n":1e400}}})"));
  const std::string text = answer(*id, R"({"content":[],"big":123456789012345678901234567890})");
  say(text);
  EXPECT_EQ(sink.response, text);
  EXPECT_EQ(server->describe().calls_in_flight, 0U);
}

TEST_F(StdioServerTest, line_breaks_between_a_clients_tokens_do_not_break_the_framing) {
  make_ready();
  RecordingSink sink;
  const std::string text =
      "{\"jsonrpc\":\"2.0\",\r\n\"id\":1,\n\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}";
  ASSERT_TRUE(server->call({.text = text,
                            .id = std::string_view(text).substr(text.find("1,"), 1),
                            .progress_token = {},
                            .edits = {},
                            .principal = "uid:1"},
                           sink));
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0], R"({"jsonrpc":"2.0",  "id":3, "method":"tools/call","params":{"name":"echo"}})");
}

TEST_F(StdioServerTest, two_hundred_clients_with_the_same_id_and_token_get_their_own_answers_in_any_order) {
  make_ready();
  std::vector<std::unique_ptr<RecordingSink>> sinks;
  std::vector<CallId> ids;
  for (int i = 0; i < 200; ++i) {
    sinks.push_back(std::make_unique<RecordingSink>());
    ids.push_back(*call(*sinks.back(), "7", "7"));
  }
  for (const auto& line : heard())
    EXPECT_THAT(line, HasSubstr("\"progressToken\":" + std::to_string(id_in(line)) + "}"));
  for (std::size_t i = 200; i-- > 0;) {
    process.say(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" +
                std::to_string(ids[i]) + R"(,"progress":1}})");
    process.say(answer(ids[i], R"({"for":)" + std::to_string(i) + "}"));
  }
  turn();
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_THAT(sinks[i]->response, HasSubstr(R"("for":)" + std::to_string(i) + "}"));
    EXPECT_THAT(sinks[i]->notifications, SizeIs(1));
  }
}

TEST_F(StdioServerTest, answers_to_ids_that_are_unknown_late_or_of_another_type_reach_nobody) {
  make_ready();
  RecordingSink sink, cancelled;
  const CallId gone = *call(cancelled);
  server->cancel(gone, "the user changed her mind");
  const CallId id = *call(sink);
  say(answer(gone));
  EXPECT_EQ(server->describe().protocol_errors, 0U) << "late is not wrong";
  say(answer(id + 1000));
  say(answer(0));
  say(R"({"jsonrpc":"2.0","id":")" + std::to_string(id) + R"(","result":{}})");
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(.0,"result":{}})");
  EXPECT_FALSE(sink.over);
  EXPECT_FALSE(cancelled.over);
  EXPECT_EQ(server->describe().protocol_errors, 4U);
  say(answer(id));
  EXPECT_TRUE(sink.over);
  say(answer(id));  // twice: the sink would complain
}

TEST_F(StdioServerTest, a_malformed_answer_fails_its_call_at_once) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"result":{},"error":{"code":1,"message":"x"}})");
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
}

TEST_F(StdioServerTest, an_error_of_the_server_is_an_answer_like_any_other) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  const std::string text =
      R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"error":{"code":-32602,"message":"Unknown tool"}})";
  say(text);
  EXPECT_EQ(sink.response, text);
}

TEST_F(StdioServerTest, progress_reaches_only_the_call_that_asked_for_it) {
  make_ready();
  RecordingSink with, without;
  const CallId asked = *call(with, "1", "\"t\"");
  const CallId silent = *call(without, "1");
  const auto progress = [&](const std::string& token) {
    say(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" + token +
        R"(,"progress":1}})");
  };
  progress(std::to_string(asked));
  progress(std::to_string(silent));
  progress("\"t\"");
  progress("99999");
  EXPECT_THAT(with.notifications, SizeIs(1));
  EXPECT_THAT(without.notifications, IsEmpty());
  say(answer(asked));
  progress(std::to_string(asked));
}

TEST_F(StdioServerTest, a_log_message_goes_to_the_only_call_in_flight_else_to_the_gateways_log) {
  make_ready();
  const std::string message =
      R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}})";
  say(message);
  EXPECT_THAT(observer.stray, SizeIs(1));
  RecordingSink one, two;
  const CallId first = *call(one);
  say(message);
  EXPECT_THAT(one.notifications, ElementsAre(message));
  call(two);
  say(message);
  EXPECT_THAT(one.notifications, SizeIs(1));
  EXPECT_THAT(two.notifications, IsEmpty());
  EXPECT_THAT(observer.stray, SizeIs(2));
  say(answer(first));
  for (int i = 0; i < 3; ++i) say(message);
  EXPECT_THAT(two.notifications, SizeIs(3));
}

TEST_F(StdioServerTest, a_flood_of_stray_log_messages_does_not_reach_the_log_whole) {
  make_ready();
  for (int i = 0; i < 500; ++i)
    say(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}})");
  EXPECT_THAT(observer.stray, SizeIs(50));
}

TEST_F(StdioServerTest, cancel_tells_the_server_with_our_id_and_the_escaped_reason) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  heard();
  server->cancel(id, "a \"b\"\n{}");
  EXPECT_THAT(heard(), ElementsAre(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" +
                                   std::to_string(id) + R"(,"reason":"a \"b\"\n{}"}})"));
  server->cancel(id, "again");
  server->cancel(12345, "never made");
  EXPECT_THAT(heard(), IsEmpty());
  EXPECT_FALSE(sink.over);
}

TEST_F(StdioServerTest, a_call_without_answer_ends_at_its_limit_and_the_server_is_told) {
  settings.call_seconds = 7;
  make();
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  heard();
  pass(base::Milliseconds(6'800));
  EXPECT_FALSE(sink.over);
  pass(base::Milliseconds(400));
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::call_timeout);
  EXPECT_THAT(heard(), ElementsAre(AllOf(HasSubstr("notifications/cancelled"), HasSubstr(std::to_string(id)))));
  say(answer(id));  // late: the sink would complain
}

// ---- calls while it starts

TEST_F(StdioServerTest, calls_wait_for_a_slow_start_in_order_and_within_their_own_limit) {
  limits.call_seconds = 10;
  make();
  RecordingSink tired, first, gone, second;
  call(tired);
  pass(base::Milliseconds(5'000));
  start();
  EXPECT_THAT(launcher.asked, ElementsAre("start files")) << "asked for once";
  const CallId first_id = *call(first, "1");
  const CallId gone_id = *call(gone, "2");
  const CallId second_id = *call(second, "3");
  server->cancel(gone_id, "");
  pass(base::Milliseconds(5'500));
  ASSERT_TRUE(tired.failure);
  EXPECT_EQ(tired.failure->reason, Reason::call_timeout);
  answer_initialize();
  answer_list(R"({"tools":[]})");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(id_in(lines[0]), first_id);
  EXPECT_EQ(id_in(lines[1]), second_id);
  say(answer(second_id));
  EXPECT_TRUE(second.over);
  EXPECT_FALSE(gone.over);
}

TEST_F(StdioServerTest, so_many_calls_wait_and_no_more) {
  std::vector<std::unique_ptr<RecordingSink>> sinks;
  for (std::size_t i = 0; i < StdioServer::kWaitingCalls + 1; ++i) {
    sinks.push_back(std::make_unique<RecordingSink>());
    call(*sinks.back());
  }
  EXPECT_FALSE(sinks[StdioServer::kWaitingCalls - 1]->over);
  ASSERT_TRUE(sinks.back()->failure);
  EXPECT_EQ(sinks.back()->failure->reason, Reason::overloaded);
}

// ---- death

TEST_F(StdioServerTest, death_fails_every_call_at_once_and_the_next_call_waits_for_the_restart) {
  make_ready();
  RecordingSink one, two, next;
  call(one);
  call(two);
  one.then = [&] { call(next); };  // a caller that tries again at once
  process.die();
  turn();  // the pipes alone tell it; the report of the exit comes later
  ASSERT_TRUE(one.failure);
  ASSERT_TRUE(two.failure);
  EXPECT_EQ(one.failure->reason, Reason::server_unavailable);
  EXPECT_FALSE(next.over);
  EXPECT_THAT(*server->tools(), SizeIs(1)) << "the next call must find its tool";
  EXPECT_EQ(observer.tools_changed, 1);
  server->exited({.name = "files", .incarnation = incarnation, .how = "killed by SIGKILL", .retry_ms = 250});
  EXPECT_EQ(server->state(), State::starting);
  EXPECT_FALSE(server->worth_waiting_for()) << "its old list serves";
  start();
  answer_initialize();
  answer_list(R"({"tools":[)" + tool("echo") + "]}");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  say(answer(id_in(lines[0])));
  EXPECT_FALSE(next.response.empty());
  EXPECT_EQ(observer.tools_changed, 1) << "the same list is no change";
  EXPECT_THAT(launcher.asked, ElementsAre("start files")) << "the supervisor restarts by itself";
}

TEST_F(StdioServerTest, an_answer_written_just_before_the_exit_still_arrives) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  process.say(answer(id));
  process.complain("goodbye");
  process.die();
  server->exited({.name = "files", .incarnation = incarnation, .how = "exited with status 0", .retry_ms = 250});
  turn();
  EXPECT_FALSE(sink.response.empty());
  EXPECT_THAT(server->describe().last_stderr, ElementsAre("goodbye"));
  EXPECT_EQ(server->describe().reason, "exited with status 0");
}

TEST_F(StdioServerTest, a_descendant_that_holds_the_pipes_open_delays_the_end_only_a_moment) {
  make_ready();
  RecordingSink sink;
  call(sink);
  server->exited({.name = "files", .incarnation = incarnation, .how = "exited with status 1", .retry_ms = 250});
  turn();
  pass(base::Milliseconds(400));
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
}

TEST_F(StdioServerTest, a_server_that_dies_before_it_is_ready_fails_and_its_tools_are_gone) {
  make_ready();
  die();
  start();
  process.complain("Error: cannot find module");
  turn();
  RecordingSink sink;
  call(sink);
  die("exited with status 1");
  EXPECT_EQ(server->state(), State::failed);
  ASSERT_TRUE(sink.failure);
  EXPECT_THAT(*server->tools(), IsEmpty());
  EXPECT_EQ(observer.tools_changed, 2);
  EXPECT_EQ(server->describe().reason, "exited with status 1");
  EXPECT_THAT(server->describe().last_stderr, ElementsAre("Error: cannot find module"));
  start();
  answer_initialize();
  answer_list(R"({"tools":[)" + tool("echo") + "]}");
  EXPECT_EQ(server->state(), State::ready) << "a failed server comes back when the supervisor brings it";
  EXPECT_EQ(observer.tools_changed, 3);
}

TEST_F(StdioServerTest, a_server_that_stays_away_fails) {
  make_ready();
  die("exited with status 0", 0);
  EXPECT_EQ(server->state(), State::failed);
}

TEST_F(StdioServerTest, the_end_of_a_process_of_the_engine_before_this_one_fails_nothing) {
  server->wake();
  RecordingSink sink;
  call(sink);
  // The supervisor ended it when that engine died; what this engine asks for is still to come.
  server->exited({.name = "files", .incarnation = 4, .how = "exited with status 0", .retry_ms = 0});
  EXPECT_EQ(server->state(), State::starting);
  EXPECT_FALSE(sink.over);
}

TEST_F(StdioServerTest, reports_of_older_processes_change_nothing) {
  make_ready();
  die();
  start();
  answer_initialize();
  answer_list(R"({"tools":[]})");
  server->exited({.name = "files", .incarnation = incarnation - 1, .how = "late report", .retry_ms = 0});
  EXPECT_EQ(server->state(), State::ready);
  testing_support::FakeProcess other;
  server->started(other.spawn(incarnation));
  EXPECT_EQ(server->state(), State::ready);
}

TEST_F(StdioServerTest, a_closed_stdout_of_a_living_process_ends_in_a_restart) {
  make_ready();
  RecordingSink sink;
  call(sink);
  process.output.reset();
  turn();
  ASSERT_TRUE(sink.failure);
  EXPECT_THAT(launcher.asked, ElementsAre("start files"));
  pass(base::Milliseconds(1'200));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  die("ended as asked", 0);
  EXPECT_EQ(server->state(), State::starting) << "a restart was asked for, so it comes back";
  start();
  answer_initialize();
  answer_list(R"({"tools":[]})");
  EXPECT_EQ(server->state(), State::ready);
}

TEST_F(StdioServerTest, a_closed_stdin_ends_in_a_restart_and_the_call_that_could_not_be_written_fails) {
  make_ready();
  process.input.reset();
  RecordingSink sink;
  call(sink);
  turn();
  pass(base::Milliseconds(1'200));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
}

// ---- misconduct

TEST_F(StdioServerTest, garbage_on_stdout_is_dropped_and_counted_while_the_rest_works) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  for (const auto* line : {"Server running on stdio", "{\"a\":1", "{\"a\":1,\"a\":2}", "[]", "null", "\xff", "{}"})
    say(line);
  say("");
  say("   \r");
  EXPECT_EQ(server->describe().protocol_errors, 7U) << "blank lines are none";
  say(answer(id));
  EXPECT_FALSE(sink.response.empty());
  EXPECT_EQ(server->state(), State::ready);
}

TEST_F(StdioServerTest, an_answer_that_cannot_be_read_fails_the_only_call_at_once) {
  make_ready();
  for (const std::string_view bad :
       {R"(,"result":{},"result":{}})", ",\"result\":{\"text\":\"\xff\"}}", R"(,"result":{"x":[)"}) {
    RecordingSink sink;
    const std::string front = R"({"jsonrpc":"2.0","id":)" + std::to_string(*call(sink));
    say(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"error":"\xff"}, "error":1)");
    say("{'error': 'a print of Python'}");
    EXPECT_FALSE(sink.over);
    say(front + std::string(bad));
    ASSERT_TRUE(sink.failure) << bad;
    EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
  }
  RecordingSink one, two;
  call(one);
  const CallId second = *call(two);
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(second) + R"(,"result":{},"result":{}})");
  EXPECT_FALSE(one.over || two.over) << "it may be for either";
}

TEST_F(StdioServerTest, a_hundred_lines_of_garbage_in_a_row_end_in_a_restart) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  for (int i = 0; i < 100; ++i) say("garbage");
  say(R"({"jsonrpc":"2.0","method":"notifications/x"})");
  for (int i = 0; i < 100; ++i) say("garbage");
  EXPECT_FALSE(sink.over);
  say("garbage");
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
  EXPECT_THAT(sink.failure->for_operator, HasSubstr("no JSON-RPC"));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  say(answer(id));  // nothing more is read: the sink would complain
  EXPECT_EQ(server->state(), State::starting);
}

TEST_F(StdioServerTest, an_over_long_line_ends_in_a_restart) {
  limits.server_message = 1000;
  make();
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  const std::string fits = answer(id, R"({"x":")" + std::string(900, 'x') + R"("})");
  ASSERT_LE(fits.size(), 1000U);
  say(fits);
  EXPECT_FALSE(sink.response.empty());
  RecordingSink other;
  call(other);
  process.write_all(process.output, std::string(1001, 'x'));
  turn();
  ASSERT_TRUE(other.failure);
  EXPECT_THAT(other.failure->for_operator, HasSubstr("longer than 1000 bytes"));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
}

TEST_F(StdioServerTest, a_server_that_misbehaves_again_and_again_is_restarted_later_and_later) {
  limits.server_message = 1000;
  make();
  start();
  const auto misbehave = [&] {
    process.write_all(process.output, std::string(1001, 'x'));
    turn();
    EXPECT_EQ(server->state(), State::failed);
  };
  misbehave();
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  die("ended as asked", 0);
  start();
  misbehave();
  EXPECT_THAT(launcher.asked, SizeIs(2));
  pass(base::Milliseconds(700));
  EXPECT_THAT(launcher.asked, SizeIs(3));
  die("ended as asked", 0);
  start();
  misbehave();
  pass(base::Milliseconds(700));
  EXPECT_THAT(launcher.asked, SizeIs(3));
  pass(base::Milliseconds(500));
  EXPECT_THAT(launcher.asked, SizeIs(4));
}

TEST_F(StdioServerTest, a_server_that_does_not_read_is_refused_more_calls_and_then_restarted) {
  limits.call_seconds = 30;
  make();
  make_ready();
  const std::string big =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":")" + std::string(4U << 20, 'x') + R"("}})";
  std::vector<std::unique_ptr<RecordingSink>> sinks;
  const auto send = [&] {
    sinks.push_back(std::make_unique<RecordingSink>());
    server->call({.text = big,
                  .id = std::string_view(big).substr(big.find("1,"), 1),
                  .progress_token = {},
                  .edits = {},
                  .principal = "uid:1"},
                 *sinks.back());
    turn();
  };
  for (int i = 0; i < 17; ++i) send();
  EXPECT_FALSE(sinks.back()->over);
  send();
  ASSERT_TRUE(sinks.back()->failure);
  EXPECT_EQ(sinks.back()->failure->reason, Reason::overloaded);
  pass(base::Milliseconds(30'200));
  pass(base::Milliseconds(30'200));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  EXPECT_THAT(server->describe().reason, HasSubstr("stdin"));
}

TEST_F(StdioServerTest, its_own_requests_get_ping_answered_and_everything_else_refused) {
  make_ready();
  say(R"({"jsonrpc":"2.0","id":"p\u0031","method":"ping"})");
  say(R"({"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{}})");
  say(R"({"jsonrpc":"2.0","id":-4,"method":"roots/list"})");
  say(R"({"jsonrpc":"2.0","id":")" + std::string(1000, 'x') + R"(","method":"ping"})");
  EXPECT_THAT(heard(),
              ElementsAre(R"({"jsonrpc":"2.0","id":"p\u0031","result":{}})",
                          R"({"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"Method not found"}})",
                          R"({"jsonrpc":"2.0","id":-4,"error":{"code":-32601,"message":"Method not found"}})"));
}

TEST_F(StdioServerTest, its_flood_of_requests_cannot_fill_our_memory) {
  make_ready();
  for (int i = 0; i < 60'000; ++i) {
    process.say(R"({"jsonrpc":"2.0","id":)" + std::to_string(i) + R"(,"method":"ping"})");
    if (i % 500 == 0) turn();
  }
  turn();
  std::size_t bytes = 0;
  for (auto lines = heard(); !lines.empty(); lines = heard())
    for (const auto& line : lines) bytes += line.size() + 1;
  EXPECT_LT(bytes, StdioServer::kUnsentReplyBytes + (256U << 10));
  EXPECT_EQ(server->state(), State::ready);
}

TEST_F(StdioServerTest, batches_are_taken_from_2025_03_26_alone) {
  for (const bool batches : {true, false}) {
    make();
    start();
    answer_initialize(batches ? "2025-03-26" : "2025-06-18");
    answer_list(R"({"tools":[]})");
    heard();
    RecordingSink one, two;
    const CallId first = *call(one);
    const CallId second = *call(two);
    say("[" + answer(first) + "," + answer(second) + ",7,[]]");
    EXPECT_EQ(one.over, batches);
    EXPECT_EQ(two.over, batches);
    EXPECT_EQ(server->describe().protocol_errors, batches ? 2U : 1U);
    server->cancel(first, "");
    server->cancel(second, "");
  }
}

// ---- list changes, log level

TEST_F(StdioServerTest, a_changed_list_is_fetched_again_but_not_more_often_than_once_a_second) {
  make_ready();
  const std::string changed = R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})";
  pass(base::Milliseconds(2'000));
  for (int i = 0; i < 10; ++i) say(changed);
  auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  say(answer(id_in(lines[0]), R"({"tools":[)" + tool("new") + "]}"));
  EXPECT_EQ((*server->tools())[0].name, "new");
  EXPECT_EQ(observer.tools_changed, 2);
  EXPECT_EQ(observer.settled, 1);
  EXPECT_THAT(heard(), IsEmpty());
  pass(base::Milliseconds(1'200));
  lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  say(answer(id_in(lines[0]), R"({"tools":[)" + tool("new") + "]}"));
  EXPECT_EQ(observer.tools_changed, 2) << "the same list is no change";
}

TEST_F(StdioServerTest, a_list_that_cannot_be_fetched_again_leaves_the_old_one) {
  make_ready();
  pass(base::Milliseconds(2'000));
  say(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(id_in(lines[0])) + R"(,"error":{"code":1,"message":"x"}})");
  EXPECT_THAT(*server->tools(), SizeIs(1));
  EXPECT_EQ(server->state(), State::ready);
  pass(base::Milliseconds(2'000));
  say(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
  EXPECT_THAT(heard(), SizeIs(1)) << "and it is asked again";
}

TEST_F(StdioServerTest, the_allow_list_cuts_what_is_shown) {
  settings.tools = {{"read_*"}};
  make();
  make_ready(tool("read_file") + "," + tool("write_file"));
  ASSERT_THAT(*server->tools(), SizeIs(1));
  EXPECT_EQ((*server->tools())[0].name, "read_file");
}

TEST_F(StdioServerTest, the_log_level_is_sent_when_it_changes_and_again_after_a_restart) {
  server->set_log_level("warning");
  start();
  answer_initialize();
  answer_list(R"({"tools":[]})");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr(R"("method":"logging/setLevel","params":{"level":"warning"})"));
  say(answer(id_in(lines[0])));
  server->set_log_level("warning");
  EXPECT_THAT(heard(), IsEmpty());
  server->set_log_level("debug");
  EXPECT_THAT(heard(), ElementsAre(HasSubstr("debug")));
  die();
  start();
  answer_initialize();
  answer_list(R"({"tools":[]})");
  EXPECT_THAT(heard(), ElementsAre(HasSubstr("debug")));
}

// ---- reload

TEST_F(StdioServerTest, a_changed_entry_restarts_the_process_and_hides_its_tools_until_it_is_back) {
  make_ready();
  RecordingSink sink, next;
  call(sink);
  auto same = settings;
  server->change(same, limits);
  EXPECT_FALSE(sink.over);
  auto changed = settings;
  changed.fingerprint = "f2";
  changed.tools = {{"other"}};
  server->change(changed, limits);
  ASSERT_TRUE(sink.failure);
  EXPECT_THAT(*server->tools(), IsEmpty());
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  call(next);
  die("ended as asked", 0);
  EXPECT_FALSE(next.over);
  start();
  answer_initialize();
  answer_list(R"({"tools":[)" + tool("echo") + "," + tool("other") + "]}");
  EXPECT_THAT(*server->tools(), SizeIs(1));
  EXPECT_THAT(heard(), SizeIs(1));
}

TEST_F(StdioServerTest, a_retired_server_fails_its_calls_and_takes_no_more) {
  make_ready();
  RecordingSink sink, late;
  call(sink);
  server->retire();
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(call(late), std::nullopt);
  ASSERT_TRUE(late.failure);
  server->exited({.name = "files", .incarnation = 9, .how = "x", .retry_ms = 1});
  EXPECT_EQ(server->state(), State::stopped);
}

}  // namespace
}  // namespace clawql::engine::upstream
