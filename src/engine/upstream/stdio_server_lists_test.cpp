#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StdioServerListsTest : public StdioServerRig {};

const std::string kAllLists = R"({"tools":{},"resources":{},"prompts":{}})";
const std::string kResource = R"({"uri":"test://a","name":"a"})";

TEST_F(StdioServerListsTest, every_declared_list_is_fetched_and_no_other) {
  start();
  answer_initialize("2025-11-25", kAllLists);
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(5));
  EXPECT_THAT(lines[2], HasSubstr("resources/list"));
  EXPECT_THAT(lines[3], HasSubstr("resources/templates/list"));
  EXPECT_THAT(lines[4], HasSubstr("prompts/list"));
  say(answer(id_in(lines[4]), R"({"prompts":[{"name":"p"}]})"));
  say(answer(id_in(lines[1]), R"({"tools":[)" + tool("t") + "]}"));
  say(answer(id_in(lines[3]), R"({"resourceTemplates":[{"uriTemplate":"test://{id}","name":"n"}]})"));
  EXPECT_EQ(server->state(), State::starting);
  say(answer(id_in(lines[2]), R"({"resources":[)" + kResource + R"(],"nextCursor":"2"})"));
  answer_only("resources/list", R"({"resources":[{"uri":"test://b","name":"b"}]})");
  EXPECT_EQ(server->state(), State::ready);
  EXPECT_EQ(observer.offer_changed, 1) << "all at once";
  EXPECT_EQ(list(ListKind::prompts)[0].key, "p");
  EXPECT_EQ(list(ListKind::templates)[0].key, "test://{id}");
  EXPECT_EQ(list(ListKind::resources)[1].key, "test://b");
  EXPECT_EQ(server->describe().resources, 2U);
  EXPECT_EQ(server->describe().prompts, 1U);
}

TEST_F(StdioServerListsTest, a_list_other_than_the_tools_may_fail_or_hang_without_harm) {
  start();
  answer_initialize("2025-11-25", kAllLists);
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(5));
  say(error(id_in(lines[2]), -32603));
  say(error(id_in(lines[3]), -32601));
  pass(base::Milliseconds(6'000));
  EXPECT_EQ(server->state(), State::starting) << "without its tools it is of no use";
  say(answer(id_in(lines[1]), R"({"tools":[)" + tool("t") + "]}"));
  pass(base::Milliseconds(4'800));
  EXPECT_EQ(server->state(), State::starting);
  pass(base::Milliseconds(400));
  EXPECT_EQ(server->state(), State::ready);
  EXPECT_THAT(list(), SizeIs(1));
  say(answer(id_in(lines[4]), R"({"prompts":[{"name":"late"}]})"));
  EXPECT_THAT(list(ListKind::prompts), SizeIs(1)) << "it counts when it comes after all";
  EXPECT_EQ(observer.settled, 1);
}

TEST_F(StdioServerListsTest, a_list_of_tools_that_fails_at_the_start_fails_the_server) {
  start();
  answer_initialize();
  answer_list("{}");
  EXPECT_EQ(server->state(), State::failed);
  EXPECT_THAT(server->describe().reason, HasSubstr("tools/list: "));
}

TEST_F(StdioServerListsTest, each_change_fetches_its_own_lists) {
  start();
  answer_initialize("2025-11-25", kAllLists);
  for (const auto& line : heard())
    if (id_in(line) != 0)
      say(answer(id_in(line), R"({"tools":[],"resources":[],"resourceTemplates":[],"prompts":[]})"));
  ASSERT_EQ(server->state(), State::ready);
  pass(base::Milliseconds(2'000));
  say(notification("notifications/resources/list_changed"));
  auto lines = heard();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], HasSubstr("resources/list"));
  EXPECT_THAT(lines[1], HasSubstr("resources/templates/list"));
  say(notification("notifications/prompts/list_changed"));
  answer_only("prompts/list", R"({"prompts":[{"name":"new"}]})");
  EXPECT_THAT(list(ListKind::prompts), SizeIs(1));
  say(answer(id_in(lines[0]), R"({"resources":[)" + kResource + "]}"));
  EXPECT_THAT(list(ListKind::resources), SizeIs(1));
}

TEST_F(StdioServerListsTest, a_changed_list_is_fetched_again_but_not_more_often_than_once_a_second) {
  make_ready();
  const std::string changed = R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})";
  pass(base::Milliseconds(2'000));
  for (int i = 0; i < 10; ++i) say(changed);
  auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  say(answer(id_in(lines[0]), R"({"tools":[)" + tool("new") + "]}"));
  EXPECT_EQ(list()[0].key, "new");
  EXPECT_EQ(observer.offer_changed, 2);
  EXPECT_EQ(observer.settled, 1);
  EXPECT_THAT(heard(), IsEmpty());
  pass(base::Milliseconds(1'200));
  lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  say(answer(id_in(lines[0]), R"({"tools":[)" + tool("new") + "]}"));
  EXPECT_EQ(observer.offer_changed, 3) << "what the server announced is passed on, whatever differs";
}

TEST_F(StdioServerListsTest, a_list_that_cannot_be_fetched_again_leaves_the_old_one) {
  make_ready();
  pass(base::Milliseconds(2'000));
  say(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(id_in(lines[0])) + R"(,"error":{"code":1,"message":"x"}})");
  EXPECT_THAT(list(), SizeIs(1));
  EXPECT_EQ(server->state(), State::ready);
  pass(base::Milliseconds(2'000));
  say(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
  EXPECT_THAT(heard(), SizeIs(1)) << "and it is asked again";
}

TEST_F(StdioServerListsTest, the_allow_list_cuts_what_is_shown) {
  settings.tools = {{"read_*"}};
  make();
  make_ready(tool("read_file") + "," + tool("write_file"));
  ASSERT_THAT(list(), SizeIs(1));
  EXPECT_EQ(list()[0].key, "read_file");
}

}  // namespace
}  // namespace clawql::engine::upstream
