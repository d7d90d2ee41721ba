#include "engine/upstream/cache_store.hpp"

#include <algorithm>

namespace clawql::engine::upstream {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) { return lower(c); });
  return result;
}

}  // namespace

void CacheStore::remove(Entries::iterator entry) {
  const std::size_t size = entry->first.size() + entry->second.value.size();
  bytes_ -= size;
  shared_.used -= size;
  order_.erase(entry->second.place);
  entries_.erase(entry);
}

Result<std::size_t> CacheStore::set(std::string_view key, std::string value) {
  const std::size_t size = key.size() + value.size();
  const std::size_t of_others = shared_.used - bytes_;
  if (limits_.entries == 0 || size > limits_.bytes) return fail("it is larger than the whole cache");
  if (of_others + size > shared_.limit) return fail("the memory for all caches together is used up");
  erase(key);
  std::size_t evicted = 0;
  while (entries_.size() >= limits_.entries || bytes_ + size > limits_.bytes || shared_.used + size > shared_.limit) {
    remove(order_.back());
    ++evicted;
  }
  const auto entry = entries_.emplace(key, Entry{std::move(value), {}}).first;
  order_.push_front(entry);
  entry->second.place = order_.begin();
  bytes_ += size;
  shared_.used += size;
  return evicted;
}

const std::string* CacheStore::get(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second.place);
  return &found->second.value;
}

bool CacheStore::erase(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  remove(found);
  return true;
}

std::vector<std::string_view> CacheStore::with_prefix(std::string_view prefix, std::size_t limit) const {
  std::vector<std::string_view> keys;
  for (auto at = entries_.lower_bound(prefix);
       at != entries_.end() && keys.size() < limit && at->first.starts_with(prefix); ++at)
    keys.push_back(at->first);
  return keys;
}

std::vector<std::string_view> CacheStore::containing(std::string_view query, std::size_t limit) const {
  const std::string wanted = lower(query);
  std::vector<std::string_view> keys;
  for (auto at = entries_.begin(); at != entries_.end() && keys.size() < limit; ++at)
    if (lower(at->first).contains(wanted)) keys.push_back(at->first);
  return keys;
}

}  // namespace clawql::engine::upstream
