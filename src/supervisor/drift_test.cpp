// What is told of drift, and when.
#include "supervisor/drift.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace clawql::supervisor {
namespace {

using exposure::own::Finding;
using exposure::own::Kind;
using exposure::own::make_finding;
using testing::HasSubstr;
using testing::IsEmpty;

const Finding kMode = make_finding(Kind::socket_mode, "unix /g", "mode 0666");
const Finding kListener = make_finding(Kind::listener_unexpected, "tcp 127.0.0.1:9", "a listener");

TEST(DriftBook, a_difference_is_told_when_it_appears_and_when_it_is_gone) {
  DriftBook book;
  EXPECT_THAT(book.update({}), IsEmpty());
  const auto first = book.update({kMode});
  ASSERT_EQ(first.size(), 1U);
  EXPECT_TRUE(first[0].appeared);
  EXPECT_THAT(book.update({kMode}), IsEmpty()) << "it stays: nothing new";
  const auto second = book.update({kListener});
  ASSERT_EQ(second.size(), 2U);
  EXPECT_EQ(second[0].finding.id, "gateway.listener.unexpected");
  EXPECT_FALSE(second[1].appeared);
  EXPECT_EQ(second[1].finding.id, "gateway.socket.mode");
}

TEST(DriftBook, the_same_difference_with_other_words_is_the_same) {
  DriftBook book;
  book.update({make_finding(Kind::report_stale, "/r", "is 61 s old")});
  EXPECT_THAT(book.update({make_finding(Kind::report_stale, "/r", "is 121 s old")}), IsEmpty());
  EXPECT_EQ(book.present()[0].text, "is 121 s old");
}

TEST(DriftBook, counts_are_by_id_and_bounded) {
  DriftBook book;
  std::vector<Finding> many{kMode, make_finding(Kind::socket_mode, "unix /h", "x")};
  for (std::size_t i = 0; i < 2 * DriftBook::kMostIds; ++i) {
    many.push_back(kListener);
    many.back().id = "z" + std::to_string(i);
  }
  book.update(many);
  ASSERT_EQ(book.counts().size(), DriftBook::kMostIds);
  EXPECT_EQ(book.counts()[0].id, "gateway.socket.mode");
  EXPECT_EQ(book.counts()[0].count, 2U);
}

TEST(ExposureMessages, one_goes_out_even_when_nothing_changed) {
  const auto messages = exposure_messages({.checked = 5, .unready = true, .present = {{"a", 1}}, .events = {}}, {});
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].checked, 5U);
  EXPECT_TRUE(messages[0].unready);
}

TEST(ExposureMessages, any_number_of_long_changes_fits_the_control_line) {
  ipc::ExposureMessage state;
  for (std::size_t i = 0; i < DriftBook::kMostIds; ++i) state.present.push_back({std::string(64, 'i'), 4'000'000'000U});
  std::vector<DriftChange> changes(1000, DriftChange{true, kListener});
  for (DriftChange& change : changes) {
    change.finding.subject = std::string(10'000, '"');
    change.finding.text = std::string(10'000, '\\');
  }
  const auto messages = exposure_messages(state, changes);
  EXPECT_EQ(messages.size(), 4U);
  for (const auto& message : messages) EXPECT_LT(ipc::to_json(message).size(), 60U << 10);
  EXPECT_THAT(messages.back().events.back().text, HasSubstr("936 more"));
}

}  // namespace
}  // namespace clawql::supervisor
