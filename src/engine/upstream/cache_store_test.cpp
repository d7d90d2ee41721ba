#include "engine/upstream/cache_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace clawql::engine::upstream {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CacheStore, the_least_recently_used_goes_first) {
  SharedBytes shared{.limit = 1000};
  CacheStore store({.entries = 3, .bytes = 1000}, shared);
  for (const auto* key : {"a", "b", "c"}) EXPECT_EQ(store.set(key, "1").value(), 0U);
  ASSERT_NE(store.get("a"), nullptr);
  EXPECT_EQ(store.set("d", "1").value(), 1U);
  EXPECT_EQ(store.get("b"), nullptr);
  EXPECT_THAT(store.with_prefix("", 10), ElementsAre("a", "c", "d"));
  EXPECT_EQ(store.set("c", "changed").value(), 0U) << "a key set again needs no room";
  EXPECT_EQ(*store.get("c"), "changed");
}

TEST(CacheStore, counts_keys_and_values_exactly) {
  SharedBytes shared{.limit = 1000};
  CacheStore store({.entries = 100, .bytes = 20}, shared);
  ASSERT_TRUE(store.set("key1", "123456"));
  ASSERT_TRUE(store.set("key2", "123456"));
  EXPECT_EQ(store.bytes(), 20U);
  EXPECT_EQ(shared.used, 20U);
  EXPECT_EQ(store.set("k", std::string(19, 'x')).value(), 2U);
  EXPECT_EQ(store.bytes(), 20U);
  EXPECT_FALSE(store.set("k", std::string(20, 'x')));
  EXPECT_EQ(store.get("k")->size(), 19U) << "what does not fit changes nothing";
  EXPECT_TRUE(store.erase("k"));
  EXPECT_FALSE(store.erase("k"));
  EXPECT_EQ(store.bytes(), 0U);
  EXPECT_EQ(shared.used, 0U);
}

TEST(CacheStore, one_principal_cannot_push_out_another) {
  SharedBytes shared{.limit = 20};
  CacheStore mine({.entries = 100, .bytes = 100}, shared);
  ASSERT_TRUE(mine.set("m", std::string(9, 'x')));
  {
    CacheStore theirs({.entries = 100, .bytes = 100}, shared);
    ASSERT_TRUE(theirs.set("a", "1234"));
    EXPECT_EQ(theirs.set("b", "123456789").value(), 1U) << "its own entry goes";
    EXPECT_FALSE(theirs.set("c", "1234567890"));
    EXPECT_NE(mine.get("m"), nullptr);
    EXPECT_EQ(shared.used, 20U);
  }
  EXPECT_EQ(shared.used, 10U);
}

TEST(CacheStore, finds_keys_by_prefix_and_by_content_in_order) {
  SharedBytes shared{.limit = 1000};
  CacheStore store({.entries = 100, .bytes = 1000}, shared);
  for (const auto* key : {"b/2", "a/1", "b/1", "Ab", "c"}) ASSERT_TRUE(store.set(key, ""));
  EXPECT_THAT(store.with_prefix("b/", 10), ElementsAre("b/1", "b/2"));
  EXPECT_THAT(store.with_prefix("b/", 1), ElementsAre("b/1"));
  EXPECT_THAT(store.with_prefix("z", 10), IsEmpty());
  EXPECT_THAT(store.containing("B", 10), ElementsAre("Ab", "b/1", "b/2"));
  EXPECT_THAT(store.containing("B", 2), ElementsAre("Ab", "b/1"));
}

}  // namespace
}  // namespace clawql::engine::upstream
