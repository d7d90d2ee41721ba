// Sessions: how they begin, whose they are, how they end; and what each request of one must bring.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing_support::DoorStream;
using testing_support::expect_refused;
using testing_support::kPing;
using testing_support::Rig;

TEST(Initialize, opens_a_session_and_says_who_we_are) {
  Rig rig;
  DoorStream& stream = rig.post(
      R"({"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}})");
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(
      stream.body,
      R"({"jsonrpc":"2.0","id":"a","result":{"protocolVersion":"2025-06-18","capabilities":{"completions":{},"logging":{},"prompts":{"listChanged":true},)"
      R"("resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}},)"
      R"("serverInfo":{"name":"clawql","title":"ClawQL Gateway","version":")" CLAWQL_VERSION R"("}}})");
  const std::string id = stream.field(ipc::ResponseField::session_id);
  EXPECT_EQ(id.size(), 66U);
  EXPECT_EQ(id.substr(0, 2), "00");
  EXPECT_TRUE(rig.audited({"session.opened", "loopback"}));
  for (const std::string& line : rig.audit_lines()) EXPECT_EQ(line.find(id), std::string::npos);
}

TEST(Initialize, echoes_known_versions_and_answers_the_newest_to_others) {
  Rig rig;
  for (const char* version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
    rig.initialize(version);
    EXPECT_THAT(rig.streams.back().body, HasSubstr(R"("protocolVersion":")" + std::string(version)));
  }
  rig.initialize("1999-01-01");
  EXPECT_THAT(rig.streams.back().body, HasSubstr(R"("protocolVersion":"2025-11-25")"));
}

TEST(Initialize, without_a_version_is_refused_with_its_id) {
  Rig rig;
  DoorStream& stream = rig.post(R"({"jsonrpc":"2.0","id":5,"method":"initialize","params":{}})");
  expect_refused(rig, stream, 200, -32602, Reason::params_invalid);
  EXPECT_THAT(stream.body, HasSubstr(R"("id":5)"));
  EXPECT_EQ(stream.field(ipc::ResponseField::session_id), "");
}

TEST(Initialize, twice_in_a_session_is_refused) {
  Rig rig;
  const std::string session = rig.initialize();
  DoorStream& stream =
      rig.post(R"({"jsonrpc":"2.0","id":5,"method":"initialize","params":{"protocolVersion":"2025-11-25"}})", session);
  expect_refused(rig, stream, 400, -32600, Reason::session_already_initialized);
}

TEST(Initialize, leaves_a_quarter_of_the_sessions_to_other_principals) {
  base::Limits limits;
  limits.sessions = 4;
  Rig rig(limits);
  for (int i = 0; i < 3; ++i) EXPECT_NE(rig.initialize("2025-11-25", 1), "");
  EXPECT_EQ(rig.initialize("2025-11-25", 1), "");
  expect_refused(rig, rig.streams.back(), 503, -32000, Reason::session_limit);
  EXPECT_NE(rig.initialize("2025-11-25", 2), "");
}

TEST(Initialize, is_refused_when_there_are_too_many_sessions) {
  base::Limits limits;
  limits.sessions = 1;
  Rig rig(limits);
  rig.initialize();
  rig.initialize();
  expect_refused(rig, rig.streams.back(), 503, -32000, Reason::session_limit);
}

TEST(Session, missing_is_400) {
  Rig rig;
  expect_refused(rig, rig.post(kPing), 400, -32000, Reason::session_missing);
  expect_refused(rig, rig.get({}), 400, -32000, Reason::session_missing);
}

TEST(Session, unknown_or_garbage_is_404) {
  Rig rig;
  for (const std::string& id : {std::string(66, '0'), std::string("x"), std::string(66, 'G')}) {
    expect_refused(rig, rig.post(kPing, id), 404, -32001, Reason::session_unknown);
    expect_refused(rig, rig.get(id), 404, -32001, Reason::session_unknown);
  }
}

TEST(Session, of_another_principal_is_404) {
  Rig rig;
  const std::string session = rig.initialize();
  expect_refused(rig, rig.send(kPing, {.session = session, .uid = 1000}), 404, -32001, Reason::session_unknown);
  EXPECT_EQ(rig.post(kPing, session).status, 200);
}

TEST(Session, ends_by_delete_and_is_404_afterwards) {
  Rig rig;
  const std::string session = rig.initialize();
  EXPECT_EQ(rig.send({}, {.method = ipc::Method::delete_, .session = session}).status, 200);
  expect_refused(rig, rig.post(kPing, session), 404, -32001, Reason::session_unknown);
  EXPECT_TRUE(rig.audited({"session.deleted"}));
  expect_refused(rig, rig.send({}, {.method = ipc::Method::delete_, .session = session}), 404, -32001,
                 Reason::session_unknown);
  expect_refused(rig, rig.send({}, {.method = ipc::Method::delete_}), 400, -32000, Reason::session_missing);
}

TEST(Session, ends_when_it_was_idle_too_long_and_not_while_it_has_a_stream) {
  Rig rig;
  const std::string idle = rig.initialize();
  const std::string streaming = rig.initialize();
  rig.get(streaming);
  for (int minute = 0; minute < 40; ++minute) rig.wait(std::chrono::minutes(1));
  EXPECT_EQ(rig.post(kPing, idle).status, 404);
  EXPECT_EQ(rig.post(kPing, streaming).status, 200);
  EXPECT_TRUE(rig.audited({"session.idle"}));
}

TEST(VersionHeader, unknown_is_400_and_lists_what_is_spoken) {
  Rig rig;
  const std::string session = rig.initialize();
  DoorStream& stream = rig.send(kPing, {.session = session, .version = "1999-01-01"});
  expect_refused(rig, stream, 400, -32000, Reason::version_header);
  EXPECT_THAT(stream.body, HasSubstr("2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05"));
  EXPECT_EQ(rig.send(kPing, {.session = session, .version = "2025-06-18"}).status, 200);
  EXPECT_EQ(rig.post(kPing, session).status, 200) << "an absent header means the negotiated version";
}

TEST(Accept, that_excludes_our_answers_is_406) {
  Rig rig;
  const std::string session = rig.initialize();
  expect_refused(rig, rig.send(kPing, {.session = session, .accepts_json = false}), 406, 406, Reason::not_acceptable);
  expect_refused(rig, rig.send(kPing, {.session = session, .accepts_events = false}), 406, 406, Reason::not_acceptable);
  expect_refused(rig, rig.send({}, {.method = ipc::Method::get, .session = session, .accepts_events = false}), 406, 406,
                 Reason::not_acceptable);
}

}  // namespace
}  // namespace clawql::engine::line
