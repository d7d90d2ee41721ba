#include "engine/mcp/task_book.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace clawql::engine::mcp {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;

constexpr TaskBook::Limits kLimits{.principal = 3, .all = 4};
constexpr base::Microseconds kStart{1'000'000};

class TaskBookTest : public testing::Test {
 protected:
  std::string add(const std::string& principal, std::uint64_t process, const std::string& upstream,
                  base::Microseconds lives = seconds(60)) {
    const auto id = book.add(
        {.principal = principal, .process = process, .upstream = upstream, .upstream_raw = '"' + upstream + '"'},
        kStart + lives);
    EXPECT_TRUE(id);
    return id.value_or("");
  }
  std::vector<std::string> listed(const std::string& principal, base::Microseconds now = kStart) {
    std::vector<std::string> names;
    for (const Task& task : book.page(principal, 0, 100, now)) names.push_back(task.upstream);
    return names;
  }
  TaskBook book;
};

TEST_F(TaskBookTest, gives_ids_of_its_own_that_nobody_can_guess) {
  const std::string one = add("uid:1", 7, "1"), two = add("uid:1", 7, "2");
  EXPECT_THAT(one, MatchesRegex("[0-9a-f]{64}"));
  EXPECT_NE(one, two);
  const auto found = book.find(one, "uid:1", kStart);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->upstream_raw, "\"1\"");
  EXPECT_EQ(found->process, 7U);
  EXPECT_EQ(found->id, one);
}

TEST_F(TaskBookTest, knows_a_task_for_its_principal_alone) {
  const std::string id = add("uid:1", 7, "1");
  EXPECT_FALSE(book.find(id, "uid:2", kStart));
  EXPECT_FALSE(book.find("1", "uid:1", kStart)) << "the server's id";
  EXPECT_FALSE(book.find("", "uid:1", kStart));
  EXPECT_THAT(listed("uid:2"), IsEmpty());
}

TEST_F(TaskBookTest, keeps_apart_the_same_id_of_two_processes) {
  const std::string one = add("uid:1", 7, "1"), two = add("uid:2", 8, "1");
  EXPECT_EQ(book.find_upstream(7, "1", kStart)->id, one);
  EXPECT_EQ(book.find_upstream(8, "1", kStart)->id, two);
  EXPECT_FALSE(book.find_upstream(9, "1", kStart));
}

TEST_F(TaskBookTest, does_not_let_a_server_give_a_task_to_a_second_principal) {
  const std::string id = add("uid:1", 7, "1");
  EXPECT_EQ(add("uid:1", 7, "1"), id) << "the same again is the same";
  EXPECT_FALSE(book.add({.principal = "uid:2", .process = 7, .upstream = "1"}, kStart + seconds(9)));
  EXPECT_EQ(book.size(), 1U);
}

TEST_F(TaskBookTest, forgets_when_time_is_over_and_later_when_the_server_spoke_of_it) {
  const std::string id = add("uid:1", 7, "1"), other = add("uid:1", 7, "2");
  book.keep_until(other, kStart + seconds(120));
  book.keep_until(other, kStart + seconds(30));  // it never comes nearer
  EXPECT_TRUE(book.find(id, "uid:1", kStart + seconds(59)));
  EXPECT_FALSE(book.find(id, "uid:1", kStart + seconds(60)));
  EXPECT_FALSE(book.find_upstream(7, "1", kStart + seconds(60)));
  EXPECT_THAT(listed("uid:1", kStart + seconds(60)), testing::ElementsAre("2"));
  EXPECT_EQ(book.size(), 1U);
  EXPECT_THAT(listed("uid:1", kStart + seconds(120)), IsEmpty());
  EXPECT_EQ(book.size(), 0U);
}

TEST_F(TaskBookTest, mourns_the_tasks_of_a_process_that_ended_for_a_minute_and_frees_their_places) {
  const std::string id = add("uid:1", 7, "1", seconds(3600)), second = add("uid:2", 7, "2", seconds(3600));
  const std::string other = add("uid:1", 8, "1", seconds(3600));
  EXPECT_THAT(book.shared_processes("uid:1"), testing::ElementsAre(7U, 8U));
  book.process_ended(7, kStart);
  EXPECT_FALSE(book.find(second, "uid:2", kStart + seconds(60)));
  EXPECT_TRUE(book.find(other, "uid:1", kStart + seconds(60)));
  EXPECT_TRUE(book.find(id, "uid:1", kStart + seconds(59)));
  EXPECT_FALSE(book.find(id, "uid:1", kStart + seconds(60)));
  const std::string gone = add("uid:1", 7, "9");
  book.forget(gone);
  book.forget(gone);
  EXPECT_FALSE(book.find(gone, "uid:1", kStart));
}

TEST_F(TaskBookTest, limits_the_tasks_of_a_principal_and_of_all_with_those_that_are_being_made) {
  {
    const auto one = book.reserve("uid:1", kLimits, kStart);
    ASSERT_TRUE(one);
    add("uid:1", 7, "1");
    add("uid:1", 7, "2");
    EXPECT_FALSE(book.reserve("uid:1", kLimits, kStart)) << "three of three";
    EXPECT_TRUE(book.reserve("uid:2", kLimits, kStart));
    const auto two = book.reserve("uid:2", kLimits, kStart);
    EXPECT_FALSE(book.reserve("uid:3", kLimits, kStart)) << "four of four";
  }
  EXPECT_TRUE(book.reserve("uid:1", kLimits, kStart)) << "places that were not used are given back";
  add("uid:1", 7, "3");
  EXPECT_FALSE(book.reserve("uid:1", kLimits, kStart));
  EXPECT_TRUE(book.reserve("uid:1", kLimits, kStart + seconds(61))) << "those over their time do not count";
}

TEST_F(TaskBookTest, pages_through_the_tasks_of_a_principal_in_the_order_of_their_making) {
  for (int i = 0; i < 5; ++i) add(i == 2 ? "uid:2" : "uid:1", 7, std::to_string(i));
  const auto first = book.page("uid:1", 0, 3, kStart);
  ASSERT_THAT(first, SizeIs(3));
  EXPECT_EQ(first[2].upstream, "3");
  const auto second = book.page("uid:1", first[2].number, 3, kStart);
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(second[0].upstream, "4");
}

TEST_F(TaskBookTest, may_be_used_from_every_thread) {
  std::vector<std::thread> threads;
  for (std::uint64_t process = 1; process <= 4; ++process)
    threads.emplace_back([&, process] {
      for (int i = 0; i < 200; ++i) {
        const auto place = book.reserve("uid:1", {.principal = 10'000, .all = 10'000}, kStart);
        const auto id =
            book.add({.principal = "uid:1", .process = process, .upstream = std::to_string(i)}, kStart + seconds(60));
        if (i % 2 == 0) book.forget(*id);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(book.size(), 400U);
}

}  // namespace
}  // namespace clawql::engine::mcp
