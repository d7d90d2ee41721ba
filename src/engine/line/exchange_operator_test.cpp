// What the operator asks: readiness, metrics, administration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing_support::DoorStream;
using testing_support::FakeServer;
using testing_support::kPing;
using testing_support::Rig;

TEST(Operator, readyz_says_when_every_server_has_settled) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {});
  server.starting = true;
  const Rig::Ask ready{.route = ipc::Route::readyz, .method = ipc::Method::get};
  EXPECT_EQ(rig.send({}, ready).status, 503);
  server.starting = false;
  EXPECT_EQ(rig.send({}, ready).body, R"({"status":"ok"})");
}

TEST(Operator, metrics_count_requests_refusals_and_the_doors_own) {
  Rig rig;
  rig.post(kPing, rig.initialize());
  rig.post(kPing);
  rig.door->refusals({{.reason = static_cast<std::uint8_t>(Reason::host_not_allowed),
                       .count = 3,
                       .last_peer = "127.0.0.1:1",
                       .last_value = "evil.example"}});
  rig.run();
  DoorStream& stream = rig.send({}, {.route = ipc::Route::metrics, .method = ipc::Method::get});
  EXPECT_EQ(stream.type, ipc::ContentType::metrics);
  EXPECT_THAT(stream.body, HasSubstr("clawql_refusals_total{reason=\"guard.host\"} 3\n"));
  EXPECT_THAT(stream.body, HasSubstr("clawql_refusals_total{reason=\"session.missing\"} 1\n"));
  EXPECT_THAT(stream.body, HasSubstr("clawql_mcp_messages_total{method=\"ping\"} 2\n"));
  EXPECT_THAT(stream.body, HasSubstr("clawql_sessions 1\n"));
  EXPECT_THAT(stream.body, HasSubstr("clawql_build_info{version="));
  EXPECT_TRUE(rig.audited({"guard.host", "evil.example", "127.0.0.1:1", "\"count\":3"}));
}

TEST(Operator, admin_is_refused_on_every_listener_but_its_own) {
  Rig rig;
  for (const std::uint16_t listener :
       {std::uint16_t{0}, std::uint16_t{7}}) {  // one for clients, and one that nobody declared
    DoorStream& stream = rig.send({}, {.route = ipc::Route::admin,
                                       .method = ipc::Method::get,
                                       .target = "/admin/status",
                                       .uid = 1,
                                       .listener = listener});
    EXPECT_EQ(stream.status, 404);
  }
  EXPECT_TRUE(rig.admin_requests.empty());
}

TEST(Operator, admin_takes_four_operations_and_nothing_else) {
  Rig rig;
  const auto admin = [&](ipc::Method method, std::string target) -> DoorStream& {
    return rig.send({}, {.route = ipc::Route::admin, .method = method, .target = std::move(target), .uid = 1});
  };
  for (const char* target : {"/admin", "/admin/status/", "/admin/servers//start", "/admin/servers/a b/start",
                             "/admin/servers/../start", "/admin/servers/x/stop", "/admin/servers/x"})
    EXPECT_EQ(admin(ipc::Method::post, target).status, 404) << target;
  EXPECT_EQ(admin(ipc::Method::get, "/admin/reload").status, 404);
  EXPECT_TRUE(rig.admin_requests.empty());
  DoorStream& restart = admin(ipc::Method::post, "/admin/servers/files/restart");
  ASSERT_EQ(rig.admin_requests.size(), 1U);
  EXPECT_EQ(rig.admin_requests[0].operation, "restart");
  EXPECT_EQ(rig.admin_requests[0].argument, "files");
  rig.shard->admin_answer({.token = rig.admin_requests[0].token, .ok = false, .text = R"({"error":"no"})"});
  rig.run();
  EXPECT_EQ(restart.status, 409);
  EXPECT_EQ(restart.body, R"({"error":"no"})");
  DoorStream& silent = admin(ipc::Method::post, "/admin/reload");
  rig.wait(std::chrono::seconds(20));
  EXPECT_EQ(silent.status, 500);
  EXPECT_TRUE(rig.audited({"admin.reload"}));
}

TEST(Refusals, in_a_flood_are_sampled_with_their_count) {
  Rig rig;
  for (int i = 0; i < 100; ++i) rig.post(kPing);
  rig.wait(std::chrono::seconds(2));
  std::size_t lines = 0;
  for (const std::string& line : rig.audit_lines()) lines += line.find("session.missing") != std::string::npos ? 1 : 0;
  EXPECT_EQ(lines, 2U);
  EXPECT_TRUE(rig.audited({"session.missing", "\"count\":99"}));
  EXPECT_EQ(rig.refusals(Reason::session_missing), 100U);
}

}  // namespace
}  // namespace clawql::engine::line
